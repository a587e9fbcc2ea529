"""What every kind is made of: models with rules, and the metadata of a custom resource."""

from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import core_schema

from polyfleet.crds.schema import Rule, add_rules, structural_schema

GROUP = "polyfleet.dev"
VERSION = "v1alpha1"
CATEGORY = "polyfleet"
_AGE = {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}
_NAME_RULE = Rule("self.metadata.name.size() <= 63", "metadata.name is at most 63 characters")


class Part(BaseModel):
    """A part of a custom resource; `rules` are CEL over the part itself."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
    )
    rules: ClassVar[tuple[Rule, ...]] = ()

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Add the part's rules to its schema, where it is defined rather than where it is used."""
        out = handler.resolve_ref_schema(handler(schema))
        if "type" in out and cls.rules:
            out.update(add_rules(out, cls.rules))
        return out


@dataclass(frozen=True)
class Column:
    """A column of `kubectl get`; `wide` ones are shown with `-o wide` only."""

    name: str
    path: str
    type: str = "string"
    description: str = ""
    wide: bool = False

    def entry(self) -> dict[str, Any]:
        """Return the entry for `additionalPrinterColumns`."""
        entry: dict[str, Any] = {"name": self.name, "type": self.type, "jsonPath": self.path}
        if self.description:
            entry["description"] = self.description
        return entry | ({"priority": 1} if self.wide else {})


READY = Column("Ready", '.status.conditions[?(@.type=="Ready")].status')
REASON = Column("Reason", '.status.conditions[?(@.type=="Ready")].reason', wide=True)
APPLICATION = Column("Application", ".spec.application")
SERIAL = Column(
    "Serial", r".metadata.labels.polyfleet\.dev/serial", description="Its number in RDFM's API"
)


@dataclass(frozen=True)
class Names:
    """How `kubectl` may call a kind."""

    kind: str
    plural: str
    short: tuple[str, ...] = ()

    @property
    def singular(self) -> str:
        """The kind in lower case, as is usual."""
        return self.kind.lower()


class CustomResource(Part):
    """A kind: its names, columns and selectable fields, beside `spec` and `status`.

    `root_rules` are the only ones that can see the object's name.
    """

    names: ClassVar[Names]
    columns: ClassVar[tuple[Column, ...]] = ()
    selectable: ClassVar[tuple[str, ...]] = ()
    root_rules: ClassVar[tuple[Rule, ...]] = (_NAME_RULE,)

    @classmethod
    def definition(cls) -> dict[str, Any]:
        """Return the CustomResourceDefinition."""
        names = cls.names
        return {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{names.plural}.{GROUP}"},
            "spec": {
                "group": GROUP,
                "scope": "Namespaced",
                "names": {
                    "kind": names.kind,
                    "listKind": f"{names.kind}List",
                    "plural": names.plural,
                    "singular": names.singular,
                    # An empty list would be lost, and be a conflict for who applies it.
                    **({"shortNames": list(names.short)} if names.short else {}),
                    "categories": [CATEGORY],
                },
                "versions": [cls._version()],
            },
        }

    @classmethod
    def _version(cls) -> dict[str, Any]:
        version: dict[str, Any] = {
            "name": VERSION,
            "served": True,
            "storage": True,
            "subresources": {"status": {}},
            "schema": {"openAPIV3Schema": cls._root_schema()},
            "additionalPrinterColumns": [*(column.entry() for column in cls.columns), _AGE],
        }
        if cls.selectable:
            version["selectableFields"] = [{"jsonPath": path} for path in cls.selectable]
        return version

    @classmethod
    def _root_schema(cls) -> dict[str, Any]:
        schema = structural_schema(cls)
        schema["properties"] = {
            "apiVersion": {"type": "string", "description": "The version of this schema."},
            "kind": {"type": "string", "description": "The kind of this object."},
            "metadata": {"type": "object"},
            **schema["properties"],
        }
        return add_rules(schema, cls.root_rules)
