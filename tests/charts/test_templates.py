"""What the chart makes of its values, asked of a real Helm and a real API server."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from polyfleet.api.settings import Settings as FacadeSettings
from polyfleet.cli.values_schema import SCHEMA, rendered
from polyfleet.operator.settings import Settings as OperatorSettings
from tests.charts.conftest import CHART, Helm, HelmError, Manifest
from tests.charts.table import ISSUER, S3, TABLE

Kubectl = Callable[..., str]


def named(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    found = [item for item in manifests if (item["kind"], item["metadata"]["name"]) == (kind, name)]
    assert len(found) == 1, [(item["kind"], item["metadata"]["name"]) for item in manifests]
    return found[0]


def kinds(manifests: list[Manifest]) -> set[str]:
    return {item["kind"] for item in manifests}


def container(manifests: list[Manifest], component: str) -> dict[str, Any]:
    pod = named(manifests, "Deployment", f"polyfleet-{component}")["spec"]["template"]["spec"]
    found: dict[str, Any] = pod["containers"][0]
    return found


def environment(manifests: list[Manifest], component: str) -> dict[str, str]:
    return {item["name"]: item.get("value", "") for item in container(manifests, component)["env"]}


def pods(manifests: list[Manifest]) -> list[dict[str, Any]]:
    templates = [item["spec"]["template"] for item in manifests if "template" in item["spec"]]
    return [item["spec"] for item in [*templates, *(m for m in manifests if m["kind"] == "Pod")]]


def test_the_chart_is_without_reproach(helm: Helm) -> None:
    said = helm("lint", str(CHART), "--strict")
    assert "1 chart(s) linted, 0 chart(s) failed" in said


def test_every_option_is_in_the_table() -> None:
    """The top-level values that no row touches would never be rendered otherwise."""
    known = set(json.loads(SCHEMA.read_text())["properties"]) - {"global", "podSecurity"}
    assert known == {name for row in TABLE.values() for name in row}


def make_account(kubectl: Kubectl, name: str) -> None:
    """Make a ServiceAccount: without a controller manager nobody else makes even `default`."""
    metadata = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}
    kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(metadata))


@pytest.mark.usefixtures("foreign_definitions")
@pytest.mark.parametrize("values", TABLE.values(), ids=TABLE.keys())
def test_the_api_server_takes_every_object(
    helm: Helm, kubectl: Kubectl, values: dict[str, Any]
) -> None:
    make_account(kubectl, "default")
    manifests = helm.rendered(values)
    assert all(item["metadata"]["labels"]["app.kubernetes.io/part-of"] for item in manifests)
    # Server-side apply refuses unknown fields; validation of values is the API server's own.
    apply = ("apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-")
    said = ""
    for place in {item["metadata"].get("namespace", helm.namespace) for item in manifests}:
        items = [m for m in manifests if m["metadata"].get("namespace", helm.namespace) == place]
        document = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
        said += kubectl(*apply, "--namespace", place, stdin=document)
    assert said.count("serverside-applied (server dry run)") == len(manifests)


@pytest.mark.parametrize("values", TABLE.values(), ids=TABLE.keys())
def test_pods_meet_the_restricted_standard(helm: Helm, values: dict[str, Any]) -> None:
    found = pods([item for item in helm.rendered(values) if "spec" in item])
    assert len(found) >= 3
    for pod in found:
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["enableServiceLinks"] is False
        for each in pod["containers"]:
            assert each["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert each["resources"]["requests"]


def test_a_namespace_of_the_restricted_standard_takes_the_pods(
    helm: Helm, kubectl: Kubectl, namespace: str
) -> None:
    kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    for account in ("polyfleet-facade", "polyfleet-operator", "default"):
        make_account(kubectl, account)
    for number, pod in enumerate(pods([m for m in helm.rendered(S3_ROW) if "spec" in m])):
        document = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"pod-{number}"},
            "spec": pod,
        }
        said = kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(document))
        assert "created (server dry run)" in said


S3_ROW = {"facade": {"replicas": 2}, "artifacts": S3}


@pytest.mark.parametrize("values", TABLE.values(), ids=TABLE.keys())
def test_the_processes_take_the_environment(
    helm: Helm, values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every variable is one that a process reads, and every value one that it accepts."""
    manifests = helm.rendered(values)
    known = {"facade": FacadeSettings, "operator": OperatorSettings}
    page = (CHART.parents[1] / "docs" / "settings.md").read_text()
    for component, model in known.items():
        given = {
            name: text for name, text in environment(manifests, component).items() if text != ""
        }
        section = page.split("## Operator" if component == "operator" else "## Facade")[1]
        read = set(re.findall(r"`(POLYFLEET_[A-Z0-9_]+)`", section.split("\n## ")[0]))
        assert {name for name in given if name.startswith("POLYFLEET_")} <= read
        with monkeypatch.context() as patch:
            for name, text in given.items():
                patch.setenv(name, text)
            if "settingsSecret" in values.get("facade", {}):
                patch.setenv("POLYFLEET_IDENTITY__INTROSPECTION__CLIENT_SECRET", "s")
            settings = model()
        assert settings.namespace == helm.namespace


def test_numbers_lists_and_sections_arrive_as_they_were_meant(
    helm: Helm, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifests = helm.rendered(TABLE["settings of both"])
    found = environment(manifests, "facade")
    assert found["POLYFLEET_ARTIFACTS__MAXIMUM_SIZE"] == "8589934592"
    assert found["POLYFLEET_REPORTS__WRITES_PER_SECOND"] == "12.5"
    assert found["POLYFLEET_ATTRIBUTE_LABELS"] == "ring,site"
    assert found["POLYFLEET_LOG_LEVEL"] == "debug"
    assert environment(manifests, "operator")["POLYFLEET_LOG_LEVEL"] == "warning"
    assert environment(manifests, "operator")["POLYFLEET_ATTRIBUTE_LABELS"] == "ring,site"


def test_a_pod_has_the_time_that_its_settings_promise(helm: Helm) -> None:
    def grace(values: dict[str, Any]) -> tuple[int, int]:
        manifests = helm.rendered(values)
        spec = [
            named(manifests, "Deployment", f"polyfleet-{component}")["spec"]["template"]["spec"]
            for component in ("facade", "operator")
        ]
        return tuple(item["terminationGracePeriodSeconds"] for item in spec)  # type: ignore[return-value]

    # The pause before the end, the open requests, half as much for pending reports, and a rest.
    # An operator: its work, and a rest for kopf, Events and the Lease.
    assert grace({}) == (5 + 20 + 10 + 5, 5 + 10)
    assert grace({"settings": {"shutdownTimeout": 60}}) == (5 + 60 + 30 + 5, 60 + 10)
    assert grace({"facade": {"preStopSeconds": 15, "settings": {"shutdownTimeout": 7}}}) == (
        15 + 11 + 5,
        5 + 10,
    )
    assert grace({"operator": {"settings": {"shutdownTimeout": 2.5}}})[1] == 3 + 10


def test_no_pause_is_no_hook(helm: Helm) -> None:
    """Kubernetes before 1.33 would refuse one of no seconds."""
    assert "lifecycle" in container(helm.rendered(), "facade")
    manifests = helm.rendered(TABLE["no pause before the end"])
    assert "lifecycle" not in container(manifests, "facade")


def test_all_pods_of_a_facades_kind_go_to_the_nodes_that_are_meant(helm: Helm) -> None:
    """What is asked of a facade after the installation must not wait for a node for ever."""
    manifests = helm.rendered(TABLE["placement"])
    found = pods([item for item in manifests if "spec" in item])
    assert len(found) == 4
    for pod in found:
        assert pod["nodeSelector"] == {"kubernetes.io/os": "linux"}
        assert pod["tolerations"] == [{"key": "fleet", "operator": "Exists"}]


def test_the_startup_probe_waits_as_long_as_the_cache_may_take(helm: Helm) -> None:
    probe = container(helm.rendered({"settings": {"syncTimeout": 300}}), "facade")["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] >= 300


def test_one_volume_is_let_go_before_the_next_pod_takes_it(helm: Helm) -> None:
    def strategy(values: dict[str, Any]) -> str:
        spec = named(helm.rendered(values), "Deployment", "polyfleet-facade")["spec"]
        return str(spec["strategy"]["type"])

    assert strategy({}) == "Recreate"
    assert strategy(TABLE["two facades over a shared volume"]) == "RollingUpdate"
    assert strategy(TABLE["three facades over a bucket"]) == "RollingUpdate"


def test_files_and_the_password_outlive_the_release(helm: Helm) -> None:
    manifests = helm.rendered()
    for kind, name in (
        ("PersistentVolumeClaim", "polyfleet-artifacts"),
        ("Secret", "polyfleet-administrator"),
    ):
        annotations = named(manifests, kind, name)["metadata"]["annotations"]
        assert annotations["helm.sh/resource-policy"] == "keep"


def test_a_password_that_is_there_stays(helm: Helm, kubectl: Kubectl) -> None:
    """Over an upgrade, and over the end of the release and another beginning."""
    secret = ("get", "secret", "polyfleet-administrator", "-o", "jsonpath={.data.password}")
    helm("install", "polyfleet", str(CHART), "--no-hooks")
    first = kubectl(*secret)
    helm("upgrade", "polyfleet", str(CHART), "--no-hooks")
    assert kubectl(*secret) == first
    helm("uninstall", "polyfleet", "--no-hooks")
    assert kubectl(*secret) == first
    assert kubectl("get", "deployments,services", "-o", "name") == ""
    assert "polyfleet-artifacts" in kubectl("get", "persistentvolumeclaims", "-o", "name")
    helm("install", "polyfleet", str(CHART), "--no-hooks")
    assert kubectl(*secret) == first


def test_two_passwords_differ(helm: Helm) -> None:
    drawn = {
        named(helm.rendered(), "Secret", "polyfleet-administrator")["data"]["password"]
        for _ in range(2)
    }
    assert len(drawn) == 2
    assert all(len(text) >= 40 for text in drawn)


def test_nothing_belongs_to_the_whole_cluster_unless_asked_for(helm: Helm) -> None:
    for row, values in TABLE.items():
        if row in CLUSTER_WIDE:
            continue
        manifests = helm.rendered(values)
        elsewhere = values.get("settings", {}).get("workloadsNamespace")
        places = {helm.namespace, elsewhere} - {None}
        assert {item["metadata"]["namespace"] for item in manifests} == places, row


CLUSTER_WIDE = {"service accounts", "access", "policies"}


def test_both_processes_know_the_other_namespace_and_nothing_but_rights_is_there(
    helm: Helm,
) -> None:
    manifests = helm.rendered(TABLE["applications elsewhere"])
    for component in ("facade", "operator"):
        assert environment(manifests, component)["POLYFLEET_WORKLOADS_NAMESPACE"] == "default"
    there = [item for item in manifests if item["metadata"]["namespace"] == "default"]
    assert kinds(there) == {"Role", "RoleBinding"}


def test_service_accounts_need_one_right_beyond_the_namespace(helm: Helm) -> None:
    manifests = helm.rendered(TABLE["service accounts"])
    role = named(manifests, "ClusterRole", f"polyfleet:{helm.namespace}:token-review")
    assert role["rules"] == [
        {
            "apiGroups": ["authentication.k8s.io"],
            "resources": ["tokenreviews"],
            "verbs": ["create"],
        }
    ]
    found = environment(manifests, "facade")["POLYFLEET_IDENTITY__TOKEN_REVIEW__ACCOUNTS"]
    assert json.loads(found) == {"ci:robot": ["rdfm_admin_rw"]}


def test_the_facade_knows_its_address_where_the_values_tell_it(helm: Helm) -> None:
    def address(row: str) -> str | None:
        return environment(helm.rendered(TABLE[row]), "facade").get("POLYFLEET_PUBLIC_URL")

    assert address("defaults") is None
    assert address("an ingress") == "http://fleet.example.org"
    assert address("an ingress with a Secret") == "https://fleet.example.org"
    assert address("an ingress by cert-manager") == "https://a.example.org"
    assert address("a route") == "https://fleet.example.org"


def test_one_value_is_the_domain_of_applications_for_both(helm: Helm) -> None:
    names = {"facade": "POLYFLEET_DEIS__DOMAIN", "operator": "POLYFLEET_WORKLOAD_DOMAIN"}
    manifests = helm.rendered({"applications": {"domain": "apps.example.org"}})
    for component, name in names.items():
        assert environment(manifests, component)[name] == "apps.example.org"
        assert name not in environment(helm.rendered(), component)


@pytest.mark.parametrize(
    "values",
    [
        {"facade": {"settings": {"deis": {"domain": "apps.example.org"}}}},
        {"operator": {"settings": {"workloadDomain": "apps.example.org"}}},
        {"applications": {"domain": "Apps"}},
    ],
)
def test_it_cannot_be_set_for_one_alone_or_be_no_domain(helm: Helm, values: dict[str, Any]) -> None:
    with pytest.raises(HelmError, match=r"(?i)domain"):
        helm.rendered(values)


def test_a_certificate_is_for_every_host_once(helm: Helm) -> None:
    manifests = helm.rendered(TABLE["ingress and route by cert-manager"])
    assert named(manifests, "Certificate", "polyfleet")["spec"]["dnsNames"] == ["fleet.example.org"]


def test_metrics_are_not_behind_the_service(helm: Helm) -> None:
    manifests = helm.rendered(TABLE["network policies"])
    ports = named(manifests, "Service", "polyfleet")["spec"]["ports"]
    assert [item["targetPort"] for item in ports] == ["http"]
    policy = named(manifests, "NetworkPolicy", "polyfleet-operator")["spec"]
    assert [rule["ports"] for rule in policy["ingress"]] == [[{"port": "metrics"}]]


def test_whatever_has_rights_is_fenced_and_the_test_is_let_in(helm: Helm) -> None:
    manifests = helm.rendered(TABLE["narrow network policies"])
    accounts = {
        item["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/component"]
        for item in manifests
        if item["kind"] in {"Deployment", "Job"}
    }
    assert accounts == {"operator", "facade", "administrator"}
    fences = {
        component: named(manifests, "NetworkPolicy", f"polyfleet-{component}")["spec"]
        for component in accounts
    }
    for component, fence in fences.items():
        selected = fence["podSelector"]["matchLabels"]
        assert selected["app.kubernetes.io/component"] == component
        assert fence["policyTypes"] == ["Ingress", "Egress"]
    # Nobody reaches the Job, and it reaches names and the API server only.
    assert "ingress" not in fences["administrator"]
    assert len(fences["administrator"]["egress"]) == 2
    assert len(fences["facade"]["egress"]) == 3
    clients = fences["facade"]["ingress"][0]["from"]
    test = named(manifests, "Pod", "polyfleet-test")["metadata"]["labels"]
    assert [
        peer["podSelector"]["matchLabels"].items() <= test.items()
        for peer in clients
        if "podSelector" in peer
    ] == [True]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "facades without a common store": (
        {"facade": {"replicas": 2}},
        "There can be 2 facades, and each would keep its own artifacts",
    ),
    "scaling without a common store": (
        {"facade": {"autoscaling": {"enabled": True}}},
        "There can be 5 facades",
    ),
    "two on one volume": (
        {"facade": {"replicas": 2}, "artifacts": {"persistence": {"existingClaim": "mine"}}},
        "artifacts.persistence.accessModes={ReadWriteMany}",
    ),
    "a bucket without a name": ({"artifacts": {"driver": "s3"}}, "needs artifacts.s3.bucket"),
    "a driver that is none": ({"artifacts": {"driver": "ftp"}}, "'local', 's3'"),
    "a certificate for nothing": ({"tls": {"certManager": ISSUER}}, "for which hosts"),
    "a certificate by nobody": (
        {"ingress": {"enabled": True, "hosts": ["a.b"]}, "tls": {"certManager": {"enabled": True}}},
        "needs tls.certManager.issuerRef.name",
    ),
    "a certificate for a route without names": (
        {
            "gateway": {"enabled": True, "parentRefs": [{"name": "public"}]},
            "tls": {"certManager": ISSUER},
        },
        "gateway.hostnames names no host",
    ),
    "addresses at which nobody listens": (
        {"service": {"ipFamilyPolicy": "PreferDualStack"}},
        'set facade.listen="::"',
    ),
    "an ingress for nobody": ({"ingress": {"enabled": True}}, "needs ingress.hosts"),
    "a route from nowhere": ({"gateway": {"enabled": True}}, "needs gateway.parentRefs"),
    "a misspelt value": ({"facade": {"replica": 2}}, "'replica' not allowed"),
    "a misspelt setting": (
        {"facade": {"settings": {"maxBody": 1}}},
        "'maxBody' not allowed",
    ),
    "a setting out of bounds": (
        {"facade": {"settings": {"maximumBody": 10}}},
        "minimum",
    ),
    "a setting of the other process": (
        {"operator": {"settings": {"publicUrl": "https://x"}}},
        "'publicUrl' not allowed",
    ),
    "a setting that must be the same": (
        {"facade": {"settings": {"attributeLabels": ["x"]}}},
        "'attributeLabels' not allowed",
    ),
    "two places for applications": (
        {"operator": {"settings": {"workloadsNamespace": "shops"}}},
        "'workloadsNamespace' not allowed",
    ),
    "a place that is no namespace": (
        {"settings": {"workloadsNamespace": "Shops"}},
        "does not match pattern",
    ),
    "a secret among the values": (
        {"facade": {"settings": {"identity": {"introspection": {"clientSecret": "s"}}}}},
        "'clientSecret' not allowed",
    ),
    "what the chart decides": (
        {"facade": {"settings": {"port": 80}}},
        "'port' not allowed",
    ),
    "root": ({"podSecurity": {"user": 0}}, "minimum"),
    "replicas as text": ({"facade": {"replicas": "two"}}, "want integer"),
    "a host with a path": ({"ingress": {"hosts": ["a.b/c"]}}, "does not match pattern"),
}


@pytest.mark.parametrize(("values", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_values_that_make_no_sense_are_refused_in_words(
    helm: Helm, values: dict[str, Any], words: str
) -> None:
    with pytest.raises(HelmError) as refusal:
        helm.rendered(values)
    assert words in str(refusal.value)


def test_names_that_look_like_numbers_stay_texts(helm: Helm) -> None:
    """Kubernetes takes 2026 as the name of a namespace, a Secret, a class; YAML reads a number."""
    values = {
        "administrator": {"existingSecret": "1", "user": "ann: b"},
        "artifacts": {"persistence": {"existingClaim": "2"}},
        "facade": {"settingsSecret": "3", "priorityClassName": "4"},
        "image": {"pullSecrets": ["5"]},
        "ingress": {"enabled": True, "hosts": ["fleet.example.org"], "className": "6"},
        "metrics": {"serviceMonitor": {"enabled": True}},
        "networkPolicy": {"enabled": True},
        "operator": {"priorityClassName": "7"},
        "policies": {"freeze": {"enabled": True}},
        "service": {"loadBalancerClass": "8"},
        "tls": {"secretName": "9"},
    }
    bucket = {"artifacts": {"driver": "s3", "s3": {"bucket": "files", "existingSecret": "10"}}}
    helm = replace(helm, namespace="2026")
    first, second = (
        [
            item
            for item in yaml.safe_load_all(helm("template", "1e3", str(CHART), values=given))
            if item
        ]
        for given in (values, bucket)
    )
    manifests = [*first, *second]
    found = dict(names(manifests))
    assert set("23456789") | {"10", "2026", "1e3"} <= found.keys()
    assert [path for name, path in names(manifests) if not isinstance(name, str)] == []
    job = named(first, "Job", "polyfleet-administrator")
    arguments = job["spec"]["template"]["spec"]["containers"][0]["args"]
    assert arguments[2:4] == ["--user=ann: b", "--password-from-secret=1"]


def names(item: Any, path: str = "") -> Iterator[tuple[Any, str]]:
    """Yield whatever is a name or a label, and where it is."""
    if isinstance(item, list):
        for entry in item:
            yield from names(entry, path)
    elif isinstance(item, dict):
        for key, value in item.items():
            at = f"{path}.{key}"
            if not isinstance(value, dict | list) and (
                re.search(r"(?i)(name|namespace|class)$", key) or path.endswith("abels")
            ):
                yield value, at
            yield from names(value, at)


NULL_IS_MEANT = {
    "resources": "no requests, no limits",
    "user": "the cluster gives one, as OpenShift does",
    "group": "the cluster gives one, as OpenShift does",
    "labels": "none",
}


def defaults(values: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of every value whose default is more than nothing."""
    for name, value in values.items():
        if name in NULL_IS_MEANT and path != ("administrator",):
            continue
        if isinstance(value, dict):
            yield from defaults(value, (*path, name))
        elif value not in ("", [], None):
            yield (*path, name)


def test_a_default_that_is_taken_away_is_missed_in_words(helm: Helm) -> None:
    """`null` takes a default away: no replicas, metrics for everybody, an address of `nil`."""
    paths = list(defaults(yaml.safe_load((CHART / "values.yaml").read_text())))
    assert len(paths) > 30
    given: dict[str, Any] = {}
    for path in paths:
        section = given
        for name in path[:-1]:
            section = section.setdefault(name, {})
        section[path[-1]] = None
    with pytest.raises(HelmError) as refusal:
        helm.rendered(given)
    for path in paths:
        place = "/" + "/".join(path[:-1])
        line = re.search(rf"at '{place}': missing propert(?:y|ies) (.*)", str(refusal.value))
        assert line is not None, path
        assert f"'{path[-1]}'" in line[1], path


def test_the_schema_describes_the_settings_of_today() -> None:
    assert SCHEMA.read_text() == rendered(SCHEMA.read_text()), "run `make docs`"


def test_helm_takes_the_whole_against_the_api_server(helm: Helm) -> None:
    said = helm("install", "polyfleet", str(CHART), "--dry-run=server", values=S3_ROW)
    for command in ("rollout status", "get secret polyfleet-administrator", "/polyfleet/v1/whoami"):
        assert command in said


def test_the_definitions_are_installed_and_can_be_upgraded(
    helm: Helm, kubectl: Kubectl, tmp_path: Path
) -> None:
    shown = helm("show", "crds", str(CHART))
    said = kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=shown)
    assert said.count("serverside-applied") == len(list((CHART / "crds").glob("*.yaml")))


def test_the_connection_test_runs(tmp_path: Path) -> None:
    """What `helm test` runs needs nothing but Python, and tells what it saw."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", (CHART / "files" / "connection.py").read_text()],
        capture_output=True,
        text=True,
        check=False,
        env={"POLYFLEET_TEST_URL": "http://127.0.0.1:9", "POLYFLEET_TEST_SECONDS": "0"},
        timeout=60,
    )
    assert done.returncode == 1
    assert "got {'/polyfleet/v1/whoami': 0" in done.stdout
