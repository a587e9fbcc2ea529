"""What tests of every folder share: one real control plane and a namespace for each test.

POLYFLEET_TEST_KUBECONFIG names a running control plane to use instead (a quick loop for
developers); KUBEBUILDER_ASSETS names ready-made programs; otherwise they are built once.
"""

import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from kubernetes import client

from polyfleet.local.cluster import program_folder
from polyfleet.local.control_plane import ControlPlane
from polyfleet.local.install import connect, install_definitions, service_account_kubeconfig
from polyfleet.local.ports import free_port
from polyfleet.local.probe import answers_ok_plain
from polyfleet.local.processes import spawn, stop, wait_until
from polyfleet.local.programs import build_helm, build_object_storage

EXISTING = "POLYFLEET_TEST_KUBECONFIG"
pytest_plugins = [
    "tests.route_record",
    "tests.rights_record",
    "tests.facade_fixtures",
    "tests.shared_facade",
    "tests.outage",
    "tests.node_fixtures",
]

_KUBECTL = Path(sys.executable).with_name("kubectl")


@dataclass(frozen=True)
class RunningControlPlane:
    """Where the API server of this test run is; `own` is None if it was there before."""

    url: str
    kubeconfig: Path
    own: ControlPlane | None


@dataclass(frozen=True)
class ObjectStorage:
    """An S3 server with one empty bucket, addressed by path."""

    endpoint: str
    bucket: str
    access_key_id: str
    secret_access_key: str
    folder: Path
    """Where the server keeps its buckets: a folder made here is an empty bucket."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give tests marked `controller_manager` the fixture that starts it."""
    for item in items:
        if item.get_closest_marker("controller_manager") and isinstance(item, pytest.Function):
            item.fixturenames.insert(0, "controller_manager")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build what the chosen tests need: here, where it shows and no test's time-out counts."""
    wanted = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    if session.config.option.collectonly:
        return
    capture = session.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture else nullcontext():
        if "object_storage" in wanted:
            build_object_storage()
        if "helm_program" in wanted:
            build_helm()
        shared = "control_plane" in wanted and EXISTING not in os.environ
        with_manager = "all_programs" in wanted or (shared and "controller_manager" in wanted)
        if shared or with_manager or "programs" in wanted:
            program_folder(os.environ, controller_manager=with_manager)


@pytest.fixture(scope="session")
def programs() -> Path:
    """Provide a folder with etcd and kube-apiserver."""
    return program_folder(os.environ)


@pytest.fixture(scope="session")
def all_programs() -> Path:
    """Provide a folder with etcd, kube-apiserver and kube-controller-manager."""
    return program_folder(os.environ, controller_manager=True)


@pytest.fixture(scope="session")
def helm_program() -> Path:
    """Provide Helm."""
    return build_helm()


@pytest.fixture(scope="session")
def control_plane(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[RunningControlPlane]:
    """Provide the control plane of the whole run, with the chart's definitions installed."""
    if existing := os.environ.get(EXISTING):
        kubeconfig = Path(existing)
        install_definitions(kubeconfig)
        server = yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
        yield RunningControlPlane(server, kubeconfig, None)
        return
    directory = tmp_path_factory.mktemp("control-plane")
    binaries = program_folder(os.environ)
    rights = request.config.pluginmanager.getplugin("tests.rights_record")
    audit = rights is not None and rights.is_wanted(request.config)
    with ControlPlane(directory, binaries, fsync=False, ends_with_parent=True, audit=audit) as own:
        install_definitions(own.kubeconfig)
        yield RunningControlPlane(own.url, own.kubeconfig, own)
        if rights is not None and audit:
            rights.note(own.audit_log)


@pytest.fixture(scope="session")
def controller_manager(control_plane: RunningControlPlane) -> None:
    """Run kube-controller-manager too; tests ask for it by the marker of the same name."""
    if control_plane.own is None:
        pytest.skip("a control plane that is not ours gets no controller manager from us")
    program_folder(os.environ, controller_manager=True)
    control_plane.own.start_controller_manager()


@pytest.fixture(scope="session")
def admin_kubeconfig(control_plane: RunningControlPlane) -> Path:
    """Provide a kubeconfig that may do anything."""
    return control_plane.kubeconfig


@pytest.fixture(scope="session")
def _core_api(admin_kubeconfig: Path) -> Iterator[client.CoreV1Api]:
    with connect(admin_kubeconfig) as connection:
        yield client.CoreV1Api(connection)


@pytest.fixture
def namespace(_core_api: client.CoreV1Api) -> Iterator[str]:
    """Provide a new namespace. Its deletion is asked for at the end, and not waited for."""
    with _new_namespace(_core_api) as name:
        yield name


@pytest.fixture
def other_namespace(_core_api: client.CoreV1Api) -> Iterator[str]:
    """Provide a second one, in which applications run."""
    with _new_namespace(_core_api) as name:
        yield name


@contextmanager
def _new_namespace(api: client.CoreV1Api) -> Iterator[str]:
    name = f"test-{secrets.token_hex(5)}"
    api.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=name)))
    yield name
    api.delete_namespace(name)


@pytest.fixture
def kubectl(
    admin_kubeconfig: Path, namespace: str, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., str]:
    """Provide kubectl as the administrator in the test's namespace, as `kubectl_in` runs it."""
    return kubectl_in(namespace, admin_kubeconfig, tmp_path_factory.getbasetemp() / "kubectl-cache")


@pytest.fixture(name="service_account_kubeconfig")
def _service_account_kubeconfig(
    admin_kubeconfig: Path, namespace: str, tmp_path: Path
) -> Callable[[str], Path]:
    """Provide a kubeconfig by account name, with the chart's rights in the test's namespace."""

    def make(name: str) -> Path:
        file = tmp_path / f"{name}.kubeconfig"
        return service_account_kubeconfig(admin_kubeconfig, file, namespace=namespace, name=name)

    return make


@pytest.fixture(scope="session")
def object_storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStorage]:
    """Provide a real S3 server over a folder."""
    directory = tmp_path_factory.mktemp("object-storage")
    port = free_port()
    storage = ObjectStorage(
        endpoint=f"http://127.0.0.1:{port}",
        bucket="artifacts",
        access_key_id="polyfleet",
        secret_access_key=secrets.token_hex(16),
        folder=directory / "data",
    )
    (storage.folder / storage.bucket).mkdir(parents=True)
    address = ["--port", f"127.0.0.1:{port}", "--health", "/healthz", "--quiet"]
    server = spawn(
        [build_object_storage(), *address, "posix", storage.folder],
        log=directory / "log",
        environment={
            **os.environ,
            "ROOT_ACCESS_KEY": storage.access_key_id,
            "ROOT_SECRET_KEY": storage.secret_access_key,
        },
        ends_with_parent=True,
    )
    try:
        assert wait_until(lambda: answers_ok_plain("127.0.0.1", port, "/healthz"), seconds=60)
        yield storage
    finally:
        stop(server)


def kubectl_in(namespace: str, kubeconfig: Path, cache: Path) -> Callable[..., str]:
    """Return a function that runs kubectl in the namespace, with what it knows kept in `cache`.

    `kubectl("get", "devices", stdin="…")` returns what it printed, or fails with what it
    complained of.
    """
    options = ["--kubeconfig", str(kubeconfig), "--namespace", namespace]

    def run(*arguments: str, stdin: str | None = None) -> str:
        done = subprocess.run(
            [_KUBECTL, *options, "--cache-dir", str(cache), *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        if done.returncode:
            raise AssertionError(f"kubectl {' '.join(arguments)}: {done.stderr}")
        return done.stdout

    return run
