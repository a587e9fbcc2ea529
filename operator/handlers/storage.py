"""Which generation of an object was handled last: kept in its own status, not in annotations."""

from collections.abc import Iterable
from typing import Any, cast

import kopf


class ObservedGeneration(kopf.DiffBaseStorage):
    """Compares generations: a change of labels or of the status is no change of the spec.

    Nothing is stored here: the controllers write `status.observedGeneration` with their
    conditions, checked by the object's version, once they have dealt with that generation.
    """

    def build(
        self, *, body: kopf.Body, extra_fields: Iterable[Any] | None = None
    ) -> kopf.BodyEssence:
        """Return what is compared."""
        del extra_fields
        return cast("kopf.BodyEssence", {"generation": body.metadata.get("generation")})

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:
        """Return what was handled last; None if nothing was."""
        seen = body.status.get("observedGeneration")
        return None if seen is None else cast("kopf.BodyEssence", {"generation": seen})

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        """Leave it to the controllers."""
