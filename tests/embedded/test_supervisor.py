"""The supervisor: ready, restart, order of the end, kill -9, a taken port, a web process that does not come up."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.embedded.main import main
from app.embedded.process import ServerError
from app.embedded.web import address, check_port, health

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def launch(tmp_path, port):
    started = []

    def start(*extra):
        command = [sys.executable, "-m", "tests.embedded.toy_supervisor", str(tmp_path), str(port), *extra]
        child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, encoding="utf-8")
        started.append(child)
        return child

    yield start
    for child in started:
        child.kill()
        child.wait()
        child.stdout.close()


def notes(tmp_path):
    return [line.split() for line in (tmp_path / "notes").read_text().splitlines()]


def test_ready_then_stop_in_order_however_often_asked(launch, tmp_path, port):
    child = launch()
    assert child.stdout.readline() == f"ready http://127.0.0.1:{port}\n"
    assert health("127.0.0.1", port) == "200"
    child.send_signal(signal.SIGINT)
    child.send_signal(signal.SIGINT)
    rest = child.stdout.read()
    assert child.wait(10) == 0
    assert rest.endswith("已停止，数据已保存。\n")
    assert [line[0] for line in notes(tmp_path) if line[1] == "end"] == ["cron", "worker", "web"]
    assert not (tmp_path / "children.json").exists()


def test_a_dead_child_comes_back(launch, tmp_path):
    child = launch()
    child.stdout.readline()
    pid = next(int(line[2]) for line in notes(tmp_path) if line[0] == "worker")
    os.kill(pid, signal.SIGKILL)
    assert child.stdout.readline().startswith("进程 worker 意外退出（代码 -9）")
    until = time.monotonic() + 10
    while len([1 for line in notes(tmp_path) if line[:2] == ["worker", "start"]]) < 2:
        assert time.monotonic() < until
        time.sleep(0.05)


def test_after_kill_9_the_children_end_and_a_new_start_works_at_once(launch, tmp_path, port):
    first = launch()
    first.stdout.readline()
    first.kill()
    first.wait()
    old = {line[2] for line in notes(tmp_path)}  # now nobody starts any more
    second = launch()
    assert second.stdout.readline() == f"ready http://127.0.0.1:{port}\n"
    assert {line[2] for line in notes(tmp_path) if line[1] == "end"} == old


def test_a_web_process_that_ends_is_reported_with_its_log(launch):
    child = launch("broken")
    text = child.stdout.read()
    assert child.wait(10) == 1
    assert "ready" not in text
    assert "the reason" in text


def test_a_taken_port_is_one_sentence(monkeypatch, tmp_path, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        monkeypatch.setenv("PORT", str(number))
        monkeypatch.setenv("QUANHENG_VAR", str(tmp_path))
        handlers = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        try:
            assert main() == 1
        finally:
            for which, handler in handlers.items():
                signal.signal(which, handler)
    text = capsys.readouterr().err
    assert f"127.0.0.1:{number}" in text
    assert text.count("\n") == 1
    assert not (tmp_path / "postgres").exists()


@pytest.mark.parametrize("text", ["0", "65536", "abc", "-1", "8080 x", "８０"])
def test_a_senseless_port_is_one_sentence(monkeypatch, tmp_path, capsys, text):
    monkeypatch.setenv("PORT", text)
    monkeypatch.setenv("QUANHENG_VAR", str(tmp_path))
    assert main() == 1
    assert "PORT" in capsys.readouterr().err


def test_an_unknown_host_is_one_sentence():
    with pytest.raises(ServerError, match="HOST"):
        check_port("no-such-host.invalid", 8080)


def test_addresses():
    assert address("127.0.0.1", 8080) == "http://127.0.0.1:8080"
    assert address("::1", 80) == "http://[::1]:80"
