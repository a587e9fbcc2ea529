"""The state file: which processes were started, and what they need to be started again."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from polyfleet.local.processes import ProcessRecord


@dataclass(slots=True)
class State:
    """Processes by name and plain values by name, as one JSON file."""

    file: Path
    processes: dict[str, ProcessRecord] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, file: Path) -> "State":
        """Read `file`; a missing one is an empty state."""
        if not file.exists():
            return cls(file)
        content = json.loads(file.read_text())
        processes = {name: ProcessRecord(**row) for name, row in content["processes"].items()}
        return cls(file, processes, content["values"])

    def save(self) -> None:
        """Write the file so that a reader sees the old or the new one, never half of it."""
        content = {
            "processes": {name: asdict(record) for name, record in self.processes.items()},
            "values": self.values,
        }
        write_private(self.file, json.dumps(content, indent=2) + "\n")


def write_private(file: Path, text: str) -> None:
    """Replace `file` by `text`, readable by its owner only (mode 600) from its first byte on."""
    scratch = file.with_name(f".{file.name}.{os.getpid()}")
    scratch.unlink(missing_ok=True)
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
    scratch.replace(file)
