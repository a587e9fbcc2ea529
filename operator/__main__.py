"""The operator: `python -m polyfleet.operator`, configured by the environment."""

import asyncio
import sys

import structlog
from pydantic import ValidationError

from polyfleet.kube.configuration import ConfigurationError
from polyfleet.kube.garbage import collect_rarely
from polyfleet.operator.logs import configure_logging
from polyfleet.operator.process import LeaseLostError, run_until_signalled
from polyfleet.operator.settings import Settings


def main() -> int:
    """Run until told to end; return the exit status."""
    try:
        settings = Settings()
    except ValidationError as error:
        sys.stderr.write(f"bad settings: {error}\n")
        return 2
    configure_logging(settings.log_format, settings.log_level)
    log = structlog.get_logger("polyfleet.operator")
    collect_rarely()
    try:
        asyncio.run(run_until_signalled(settings))
    except ConfigurationError as error:
        log.error("cannot reach a cluster", error=str(error))  # noqa: TRY400 - no fault of ours
        return 2
    except LeaseLostError as error:
        log.error("ended", reason=str(error))  # noqa: TRY400 - it is meant to happen
        return 1
    except Exception:
        log.exception("ended")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
