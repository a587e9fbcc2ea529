from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from polyfleet.local.cluster import ClusterKind, ExistingCluster, choose, program_folder
from polyfleet.local.errors import LocalError
from polyfleet.local.kubeconfig import write_kubeconfig


def choice(environment: Mapping[str, str], *, kind_is_usable: bool = False) -> ClusterKind:
    return choose(environment, kind_is_usable=lambda: kind_is_usable)


def test_a_kubeconfig_alone_chooses_no_existing_cluster() -> None:
    assert choice({"KUBECONFIG": "/somewhere"}) is ClusterKind.BUILT


def test_an_existing_cluster_is_used_when_told_so() -> None:
    told = {"POLYFLEET_CLUSTER": "existing", "KUBECONFIG": "/somewhere"}

    assert choice(told, kind_is_usable=True) is ClusterKind.EXISTING


def test_an_existing_cluster_needs_a_kubeconfig() -> None:
    with pytest.raises(LocalError, match="needs KUBECONFIG"):
        choice({"POLYFLEET_CLUSTER": "existing"})


def test_an_unknown_choice_is_refused() -> None:
    with pytest.raises(LocalError, match="minikube, not one of existing, assets, kind, built"):
        choice({"POLYFLEET_CLUSTER": "minikube"})


def test_ready_made_programs_come_before_kind() -> None:
    assert choice({"KUBEBUILDER_ASSETS": "/x"}, kind_is_usable=True) is ClusterKind.ASSETS


def test_kind_comes_before_building() -> None:
    assert choice({}, kind_is_usable=True) is ClusterKind.KIND


def test_building_can_be_asked_for_where_kind_works() -> None:
    assert choice({"POLYFLEET_CLUSTER": "built"}, kind_is_usable=True) is ClusterKind.BUILT


def test_assets_that_lack_a_program_are_named(tmp_path: Path) -> None:
    (tmp_path / "etcd").touch()

    with pytest.raises(LocalError, match=r"lacks kube-apiserver$"):
        program_folder({"KUBEBUILDER_ASSETS": str(tmp_path)})


def test_complete_assets_are_used_as_they_are(tmp_path: Path) -> None:
    for name in ("etcd", "kube-apiserver"):
        (tmp_path / name).touch()

    assert program_folder({"KUBEBUILDER_ASSETS": str(tmp_path)}) == tmp_path


def test_an_existing_cluster_stays_the_same_when_the_kubeconfig_changes(tmp_path: Path) -> None:
    source = tmp_path / "config"
    write_kubeconfig(source, server="https://one", authority="CA", credentials={"token": "t"})
    cluster = ExistingCluster(source, tmp_path / "copy")
    copied = cluster.start()
    write_kubeconfig(source, server="https://two", authority="CA", credentials={"token": "t"})

    assert cluster.start() == copied
    assert yaml.safe_load(copied.read_text())["clusters"][0]["cluster"]["server"] == "https://one"


def test_forgetting_an_existing_cluster_leaves_its_kubeconfig(tmp_path: Path) -> None:
    source = tmp_path / "config"
    write_kubeconfig(source, server="https://one", authority="CA", credentials={"token": "t"})
    cluster = ExistingCluster(source, tmp_path / "copy")
    cluster.start()

    cluster.stop()

    assert source.exists()
    assert not (tmp_path / "copy").exists()
