"""The ledger's list at a million rows and more: `python -m bench.lists [--rows 1000000] [--keep /tmp/folder]`.

Every page is asked for through the test client, as people of each kind, the median of `TIMES` after one to warm up: first and
last page, every condition and tab, parts of words of one to seven signs, numbers with noise, the one search box. With
each page: how many statements it took and how many kB it weighs. Then two processes ask for lists as fast as they can.
JSON goes to var/bench/.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from bench.__main__ import LIST, PEOPLE, TARGET_MS, application, prepared, say
from bench.own import ROOT, own_servers, write_result

TIMES = 5
WORKERS, BUSY = 2, 15.0  # processes and seconds
RATE = 50  # pages a second of all of them
FEW = 1_000
PHRASE = "上海大华衡器有限公司"


def pages() -> dict[str, str]:
    """Title → address."""
    from app import clock
    from bench.data import RARE

    soon = clock.today() + timedelta(days=10)
    found = {
        "第一页": LIST,
        "最后一页": f"{LIST}?page_InstrumentView=-1",
        "第50页": f"{LIST}?goto_InstrumentView=50",
        "按有效期排序": f"{LIST}?_oc_InstrumentView=valid_until&_od_InstrumentView=asc",
        "状态": f"{LIST}?_flt_0_state=suspended",
        "即将到期": f"{LIST}?band=due",
        "已超期": f"{LIST}?band=overdue",
        "不合格": f"{LIST}?band=failed",
        "一级目录": f"{LIST}?_flt_x_level1=非自动衡器",
        "检定结果": f"{LIST}?_flt_x_last_result=fail",
        "无检定记录": f"{LIST}?_flt_x_last_result=none",
        "预约中": f"{LIST}?_flt_x_booked=1",
        "不在预约中": f"{LIST}?_flt_x_booked=0",
        "检定机构": f"{LIST}?_flt_x_institute=A计量",
        "送检方式": f"{LIST}?_flt_0_delivery_mode=deliver",
        "用途": f"{LIST}?_flt_0_purpose=medical",
        "区划": f"{LIST}?_flt_1_use_division=440103",
        "有效期": f"{LIST}?_flt_0_valid_until={clock.today()}&_flt_1_valid_until={soon}",
        "两项": f"{LIST}?_flt_0_state=in_use&_flt_0_search_text=加油机",
        "出厂编号": f"{LIST}?_flt_0_serial_no=B000000500",
        "编号带杂质": f"{LIST}?_flt_x_q=b0OO-OOO5OO",
        "待完善": f"{LIST}?_flt_x_incomplete=1",
        "数据问题": f"{LIST}?_flt_x_fault=no_model",
        "罕见": f"{LIST}?_flt_0_search_text={RARE}",
        "罕见一字": f"{LIST}?_flt_0_search_text={RARE[0]}",
        "没有的字": f"{LIST}?_flt_0_search_text=龘",
        "没有": f"{LIST}?_flt_0_search_text=天外飞仙",
        "搜索框：编号": "/search?q=b00-0000-500",
        "搜索框：词": f"/search?q={RARE}",
        "搜索框：首字母": "/search?q=shdh",
    }
    return found | {f"{n}字": f"{LIST}?_flt_0_search_text={PHRASE[-n:]}" for n in range(1, 8)}


def measured(client: Any, url: str) -> dict[str, float]:
    """Median milliseconds, statements and kB of one page."""
    from tests.ledger.support import Statements

    with Statements() as asked:
        answer = client.get(url)
    if answer.status_code not in {200, 302}:
        raise SystemExit(f"{url} answered {answer.status_code}: measure nothing rather than an error page")
    times = []
    for _ in range(TIMES):
        begun = time.perf_counter()
        size = len(client.get(url).get_data())
        times.append((time.perf_counter() - begun) * 1_000)
    return {"ms": round(statistics.median(times), 1), "statements": len(asked.seen), "kb": round(size / 1024, 1)}


def round_of(app: Any, world: Any) -> dict[str, dict[str, dict[str, float]]]:
    """Every page for every kind of person."""
    from tests.client import login

    found = {}
    for nick, word in PEOPLE.items():
        client = login(app, world, nick)
        with app.app_context():
            found[word] = {title: measured(client, url) for title, url in pages().items()}
        say(f"{word} measured")
    return found


def prepare() -> None:
    """Fresh statistics."""
    from models.base import db

    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")


def do(rows: int, folder: Path) -> Any:
    """Measure in this process."""
    from tests.world import World

    app = application()
    world = World(**json.loads((folder / f"people-{rows}.json").read_text(encoding="utf-8")))
    with app.app_context():
        prepare()
    return round_of(app, world)


def busy(rows: int, folder: Path) -> dict[str, float]:
    """Lists that this process answers in `BUSY` seconds, by turns as everybody, and what it took of a processor."""
    from tests.client import login
    from tests.world import World

    app = application()
    world = World(**json.loads((folder / f"people-{rows}.json").read_text(encoding="utf-8")))
    clients = [login(app, world, nick) for nick in PEOPLE]
    urls = [LIST, f"{LIST}?_flt_0_state=suspended", f"{LIST}?_flt_0_search_text=大华"]
    for client in clients:
        for url in urls:
            client.get(url)
    count, begun, worked = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - begun < BUSY:
        clients[count % len(clients)].get(urls[count % len(urls)]).get_data()
        count += 1
    return {"pages": count, "seconds": time.perf_counter() - begun, "cpu": time.process_time() - worked}


def rate_of(rows: int, folder: Path) -> dict[str, float]:
    """Pages a second of all workers, and milliseconds of processor a page in them (the database's own come on top)."""
    command = [sys.executable, "-m", "bench.lists", "--busy", str(rows), "--keep", str(folder)]
    running = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(WORKERS)]
    found = [json.loads(one.communicate()[0].splitlines()[-1]) for one in running]
    pages_ = sum(one["pages"] for one in found)
    return {
        "workers": WORKERS,
        "pages_per_second": round(sum(one["pages"] / one["seconds"] for one in found), 1),
        "cpu_ms_a_page": round(1_000 * sum(one["cpu"] for one in found) / pages_, 1),
        "load": round(os.getloadavg()[0], 1),
    }


def main() -> int:
    """Measure a thousand rows and the many beside each other."""
    parser = argparse.ArgumentParser(prog="python -m bench.lists", description="列表和查找的测量")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--keep", type=Path, help="a short folder under /tmp that keeps the data for the next time")
    parser.add_argument("--task", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--busy", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.busy:
        print(json.dumps(busy(given.busy, given.keep)))
        return 0
    if given.task:
        print(json.dumps(do(given.task, given.keep)))
        return 0
    result: dict[str, Any] = {"rows": given.rows}
    with own_servers(durable=False, keep=given.keep) as own:
        for rows in (FEW, given.rows):
            if took := prepared(own, f"bench_{rows}", rows):
                result["load_seconds"] = took
            command = [sys.executable, "-m", "bench.lists", "--task", str(rows), "--keep", str(own.folder)]
            done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True)
            result["few" if rows == FEW else "many"] = json.loads(done.stdout.splitlines()[-1])
        result["rate"] = rate_of(given.rows, own.folder)
    out = write_result(f"lists-{given.rows}", result)
    slow = []
    for who, figures in result["many"].items():
        for title, now in figures.items():
            before = result["few"][who][title]
            mark = "" if now["ms"] <= TARGET_MS else f"  超过{TARGET_MS} ms"
            slow += [title] if mark else []
            changed = (
                ""
                if now["statements"] <= before["statements"]
                else f"  语句 {before['statements']}→{now['statements']}"
            )
            print(
                f"{who} {title:<12}{before['ms']:>9.1f}{now['ms']:>9.1f} ms{now['statements']:>4.0f} 句{now['kb']:>7.1f} kB{mark}{changed}"
            )
    rate = result["rate"]
    print(
        f"{rate['workers']}个进程每秒{rate['pages_per_second']}页，每页处理器{rate['cpu_ms_a_page']} ms（负载{rate['load']}）"
    )
    print(out)
    return 1 if slow or rate["pages_per_second"] < RATE else 0


if __name__ == "__main__":
    raise SystemExit(main())
