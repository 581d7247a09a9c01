"""The command as a process of its own, in an environment as bare as a container's."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.write_command import write_command
from tests.cli.conftest import Site

PACKAGE = Path(__file__).resolve().parents[2] / "layers" / "bitbucket_port"


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[dict[str, str]]:
    """No AWS variable, no region, a home nobody can write to (not even to see that there is one)."""
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(stat.S_IRUSR | stat.S_IXUSR)
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    yield {"HOME": str(home), "TMPDIR": str(temporary), "PYTHONPATH": str(PACKAGE)}
    home.chmod(stat.S_IRWXU)


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "bitbucket_port", "resync", *arguments]


def test_it_works_in_a_bare_environment_and_leaves_nothing_behind(
    site: Site, bare: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    done = subprocess.run(
        command(), cwd=folder, env={**bare, **site.settings}, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Resync complete" in done.stdout
    assert len(site.entities("pull-request")) == 8
    assert "\x1b" not in done.stdout + done.stderr
    assert list(folder.iterdir()) == []
    assert list(Path(bare["TMPDIR"]).iterdir()) == []
    assert list(Path(bare["HOME"]).iterdir()) == []


def test_it_loads_nothing_of_aws_without_a_stack(site: Site, bare: dict[str, str]) -> None:
    code = (
        "import sys; from bitbucket_port.cli.main import main; status = main(['resync', '--dry-run']); "
        "sys.exit(status or 3 * any(name in sys.modules for name in ('boto3', 'botocore', 'aws_lambda_powertools')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={**bare, **site.settings}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_ports_own_names_do_as_well(site: Site, bare: dict[str, str]) -> None:
    config = "OCEAN__INTEGRATION__CONFIG__BITBUCKET_"
    ours = site.settings
    environment = {
        "OCEAN__EVENT_LISTENER": '{"type":"ONCE"}',
        "OCEAN__INITIALIZE_PORT_RESOURCES": "true",
        "OCEAN__PORT__CLIENT_ID": ours["PORT_CLIENT_ID"],
        "OCEAN__PORT__CLIENT_SECRET": ours["PORT_CLIENT_SECRET"],
        "OCEAN__PORT__BASE_URL": ours["PORT_BASE_URL"],
        "OCEAN__INTEGRATION__IDENTIFIER": ours["INTEGRATION_IDENTIFIER"],
    }
    if site.product == "cloud":
        environment[f"{config}HOST_URL"] = ours["BITBUCKET_URL"]
        environment[f"{config}WORKSPACE"] = ours["BITBUCKET_WORKSPACE"]
        environment[f"{config}WORKSPACE_TOKEN"] = ours["BITBUCKET_TOKEN"]
    else:
        environment["OCEAN__INTEGRATION__TYPE"] = "bitbucket-server"
        environment[f"{config}BASE_URL"] = ours["BITBUCKET_URL"]
        environment["BITBUCKET_TOKEN"] = ours["BITBUCKET_TOKEN"]  # The stand-in knows tokens only.
    done = subprocess.run(command(), env={**bare, **environment}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(site.entities("repository")) == 5


def test_missing_settings_end_it_at_once_with_their_names(bare: dict[str, str]) -> None:
    done = subprocess.run(command(), env=bare, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "BITBUCKET_WORKSPACE" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_signal_that_ends_a_pipeline_ends_it_with_what_was_done(
    site: Site, bare: dict[str, str], tmp_path: Path
) -> None:
    lists = "pullrequests" if site.product == "cloud" else "pull-requests"
    site.bitbucket.fail_next(1000, 429, lambda request: request.path.endswith(lists), headers={"Retry-After": "3600"})
    report = tmp_path / "report.json"
    with subprocess.Popen(
        command("--report", str(report)),
        env={**bare, **site.settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        deadline = time.monotonic() + 60
        while len(site.entities("repository")) < 5 and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 1, errors
    assert "Resync partial" in output
    assert json.loads(report.read_text())["status"] == "partial"
    assert list(Path(bare["TMPDIR"]).iterdir()) == []


def test_the_command_that_make_install_writes_runs_it(tmp_path: Path) -> None:
    path = tmp_path / "a folder" / "bitbucket-port"
    path.parent.mkdir()
    write_command(path, Path(sys.executable))
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(PACKAGE)}
    done = subprocess.run([path, "--version"], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0.1.0"
    wrong = [str(path), "resync", "--time-limit", "0"]
    assert subprocess.run(wrong, env=environment, capture_output=True, check=False).returncode == 2
