from __future__ import annotations

import os
import pwd
import stat
import tarfile
from typing import TYPE_CHECKING

import pytest
from mqcam.errors import SetupError
from mqcam_broker.changes.backup import CONTENTS, Backup, write_backup
from mqcam_broker.changes.creation import Plan, create
from mqcam_broker.folder.directory import BrokerDirectory
from mqcam_broker.folder.settings import BrokerDecisions

if TYPE_CHECKING:
    from pathlib import Path

USER = pwd.getpwuid(os.geteuid()).pw_name


@pytest.fixture
def made(tmp_path: Path) -> BrokerDirectory:
    made = BrokerDirectory(tmp_path / "broker")
    create(made, Plan(decisions=BrokerDecisions(addresses=("mqtts://nas.local:8883",)), user=USER))
    return made


def backup(directory: BrokerDirectory, output: Path, *, with_owner_key: bool = True) -> Backup:
    return write_backup(directory, output, user=USER, state_number=1, with_owner_key=with_owner_key)


def names(file: Path) -> list[str]:
    with tarfile.open(file) as tar:
        return tar.getnames()


def test_a_backup_holds_everything_that_cannot_be_made_again(
    made: BrokerDirectory, tmp_path: Path
) -> None:
    file = tmp_path / "b.tar"
    done = backup(made, file)
    kept = {path.name for path in made.path.iterdir()} - {"state", "lock"}
    assert set(names(file)) == kept | {CONTENTS}
    assert set(done.names) == kept
    assert done.has_owner_key


def test_a_backup_is_for_its_owner_only(made: BrokerDirectory, tmp_path: Path) -> None:
    backup(made, tmp_path / "b.tar")
    assert stat.S_IMODE((tmp_path / "b.tar").stat().st_mode) == 0o600


def test_the_owners_key_can_stay_out(made: BrokerDirectory, tmp_path: Path) -> None:
    done = backup(made, tmp_path / "b.tar", with_owner_key=False)
    assert "owner.key" not in names(tmp_path / "b.tar")
    assert not done.has_owner_key
    assert made.owner_key.read_bytes().strip() not in (tmp_path / "b.tar").read_bytes()


def test_a_backup_never_replaces_a_file(made: BrokerDirectory, tmp_path: Path) -> None:
    (tmp_path / "b.tar").write_text("the only one")
    with pytest.raises(SetupError, match="exists already"):
        backup(made, tmp_path / "b.tar")
    assert (tmp_path / "b.tar").read_text() == "the only one"


def test_a_backup_does_not_follow_a_link(made: BrokerDirectory, tmp_path: Path) -> None:
    (tmp_path / "b.tar").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SetupError, match="exists already"):
        backup(made, tmp_path / "b.tar")
    assert not (tmp_path / "elsewhere").exists()
