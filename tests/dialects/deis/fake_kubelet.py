"""A FAKE node: no kubelet, no containers, no isolation.

What is real: the API server, its Pod objects, and its connection to a node for logs, over HTTPS.
What is not: the node. It binds the Pods of one-off commands to itself, runs their command as a
process of this machine, and writes the Pods' status as a kubelet would; other Pods it runs not at
all, their status and log are what a test says they are. The tests of the node have a real one.
"""

import secrets
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from kubernetes import client

from polyfleet.fleet.objects.kinds import APPLICATIONS
from polyfleet.local.certificates import CertificateAuthority
from polyfleet.local.ports import free_port
from tests.facade_fixtures import FacadeServer

RUN_SELECTOR = "polyfleet.dev/process-type=run"
_POLL_SECONDS = 0.05


class FakeNode:
    """The node's name, and what the containers of its Pods print."""

    def __init__(self, api: client.CoreV1Api, name: str) -> None:
        self.name = name
        self._api = api
        self._logs: dict[str, list[str]] = {}
        self._ended: set[str] = set()
        self.images_that_cannot_be_had: set[str] = set()
        self.stopped = threading.Event()

    def say(self, pod: str, text: str, *, at: str | None = None) -> None:
        """Have the container of a Pod print a line."""
        instant = at or datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
        self._logs.setdefault(pod, []).append(f"{instant} {text}\n")

    def end(self, pod: str) -> None:
        """End the log of a Pod."""
        self._ended.add(pod)

    def lines(self, pod: str) -> list[str] | None:
        """Return what was printed; None for a Pod that is not here."""
        return self._logs.get(pod)

    def has_ended(self, pod: str) -> bool:
        """Whether nothing more will be printed."""
        return pod in self._ended or self.stopped.is_set()

    def set_status(self, namespace: str, pod: str, status: dict[str, Any]) -> None:
        """Write a Pod's status, as a kubelet does."""
        self._api.patch_namespaced_pod_status(pod, namespace, {"status": status})

    def run_commands(self, namespace: str) -> None:
        """Run the Pods of one-off commands of a namespace until stopped."""
        known: set[str] = set()
        while not self.stopped.wait(_POLL_SECONDS):
            for pod in self._api.list_namespaced_pod(namespace, label_selector=RUN_SELECTOR).items:
                if pod.metadata.deletion_timestamp is not None:
                    self._let_go(namespace, pod.metadata.name)
                elif pod.metadata.uid not in known:
                    known.add(pod.metadata.uid)
                    arguments = [namespace, pod]
                    threading.Thread(target=self._run, args=arguments, daemon=True).start()

    def _let_go(self, namespace: str, pod: str) -> None:
        """Confirm that a Pod that is being deleted has stopped."""
        with suppress(client.ApiException):
            self._api.delete_namespaced_pod(
                pod, namespace, grace_period_seconds=0, _preload_content=False
            )

    def _run(self, namespace: str, pod: Any) -> None:
        name = pod.metadata.name
        [container] = pod.spec.containers
        target = client.V1ObjectReference(kind="Node", name=self.name)
        binding = client.V1Binding(metadata=client.V1ObjectMeta(name=name), target=target)
        try:
            self._api.create_namespaced_binding(namespace, binding, _preload_content=False)
            if container.image in self.images_that_cannot_be_had:
                waiting = {"reason": "ErrImagePull", "message": "not there"}
                self.set_status(namespace, name, _status("Pending", container, waiting=waiting))
                return
            self.set_status(namespace, name, _status("Running", container, running={}))
            # As a kubelet does, which replaces $(NAME) and takes $$ for $.
            command = [part.replace("$$", "$") for part in container.command]
            done = subprocess.run(
                command,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                timeout=pod.spec.active_deadline_seconds,
            )
            self._logs.setdefault(name, [])
            for line in done.stdout.splitlines():
                self.say(name, line)
            self.end(name)
            code = done.returncode
            phase = "Failed" if code else "Succeeded"
            terminated = {"exitCode": code, "reason": "Error" if code else "Completed"}
            self.set_status(namespace, name, _status(phase, container, terminated=terminated))
        except (client.ApiException, subprocess.TimeoutExpired):
            pass  # taken away while it ran


class Cluster:
    """Makes Pods as the operator's Deployments would, on the fake node."""

    def __init__(
        self, core: client.CoreV1Api, server: FacadeServer, node: FakeNode, namespace: str
    ) -> None:
        self.core = core
        self.server = server
        self.node = node
        self.namespace = namespace

    def account(self, app: str) -> None:
        """Make the ServiceAccount that the operator makes for an application."""
        self.core.create_namespaced_service_account(
            self.namespace, {"metadata": {"name": f"app-{app}"}}
        )

    def pod(
        self,
        app: str,
        process_type: str,
        release: str = "v2",
        *,
        command: bool = False,
        **status: Any,
    ) -> str:
        """Make a Pod of an application and write its status; return its name.

        `command`: one of a one-off command, which has a deadline, and no Deployment above it.
        """
        application = self.server.facade.cache.applications.get(app)
        assert application is not None
        name = f"app-{app}-{process_type}-{secrets.token_hex(4)}"
        labels = {
            "polyfleet.dev/application": app,
            "polyfleet.dev/application-uid": application.metadata.uid,
            "polyfleet.dev/process-type": process_type,
            "polyfleet.dev/release": release,
        }
        spec: dict[str, Any] = {
            "nodeName": self.node.name,
            "serviceAccountName": f"app-{app}",
            "automountServiceAccountToken": False,
            "containers": [{"name": process_type, "image": "x"}],
        }
        metadata: dict[str, Any] = {"name": name, "labels": labels}
        if command:
            spec["activeDeadlineSeconds"] = 600
            owner = {"apiVersion": APPLICATIONS.api_version, "kind": APPLICATIONS.name}
            named = {"name": app, "uid": application.metadata.uid, "controller": True}
            metadata["ownerReferences"] = [owner | named]
        body = {"metadata": metadata, "spec": spec}
        self.core.create_namespaced_pod(self.namespace, body, _preload_content=False)
        if status:
            self.node.set_status(self.namespace, name, status)
        return name

    def runs(self, app: str) -> list[str]:
        """Return the Pods of one-off commands of an application that are there."""
        selector = f"{RUN_SELECTOR},polyfleet.dev/application={app}"
        found = self.core.list_namespaced_pod(self.namespace, label_selector=selector)
        return [pod.metadata.name for pod in found.items]


def _status(phase: str, container: Any, **state: Any) -> dict[str, Any]:
    entry = {
        "name": container.name,
        "image": container.image,
        "imageID": "",
        "ready": phase == "Running",
        "restartCount": 0,
        "state": state,
    }
    return {"phase": phase, "containerStatuses": [entry]}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    node: FakeNode


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer /containerLogs/<namespace>/<pod>/<container>."""
        address = urlsplit(self.path)
        parts = address.path.split("/")
        query = parse_qs(address.query)
        server = self.server
        assert isinstance(server, _Server)
        lines = server.node.lines(parts[3]) if parts[1] == "containerLogs" else None
        if lines is None:
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        self._send(server.node, parts[3], query)

    def _send(self, node: FakeNode, pod: str, query: dict[str, list[str]]) -> None:
        every = node.lines(pod) or []
        sent = max(0, len(every) - int(query.get("tailLines", ["1000000"])[0]))
        follow = query.get("follow") == ["true"]
        while True:
            for line in every[sent:]:
                data = line.encode()
                self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
                sent += 1
            if not follow or node.has_ended(pod):
                break
            time.sleep(_POLL_SECONDS)
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
        """Say nothing."""


@contextmanager
def fake_node(api: client.CoreV1Api, name: str, directory: Path) -> Iterator[FakeNode]:
    """Register a node that answers for logs at a port of this machine."""
    node = FakeNode(api, name)
    port = free_port()
    server = _Server(("127.0.0.1", port), _Handler)
    server.node = node
    certificate = CertificateAuthority.create().issue_serving(["127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate.write(directory, "fake-node"))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    api.create_node({"metadata": {"name": name}})
    status = {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
        "conditions": [{"type": "Ready", "status": "True"}],
    }
    api.patch_node_status(name, {"status": status})
    try:
        yield node
    finally:
        node.stopped.set()
        api.delete_node(name)
        server.shutdown()
        server.server_close()
