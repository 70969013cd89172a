"""Run as a program of its own: reads one .xls and prints its sheets as JSON lines.

A native reader that panics, eats the memory or never ends takes only this process with it. Nothing of the platform
is imported, so that it starts within a few hundredths of a second. Usage: xls_child.py FILE MEGABYTES SECONDS.
"""

import datetime as dt
import json
import resource
import sys

MOST_COLUMNS = 256
MOST_ROWS = 65_536
PASSWORD, UNREADABLE = 3, 4


def plain(value: object) -> object:
    """A date as {"d": …}, a time or a duration as text; everything else is JSON already."""
    if isinstance(value, (dt.datetime, dt.date)):
        return {"d": value.isoformat()}
    return str(value)


def main(path: str, megabytes: int, seconds: int) -> int:
    """Print one line for each sheet, then one for each of its rows; 0, or the reason as an exit code."""
    limit = megabytes << 20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    from python_calamine import CalamineWorkbook, PasswordError, SheetTypeEnum, SheetVisibleEnum

    encode = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), default=plain).encode
    try:
        with open(path, "rb") as stream:  # noqa: PTH123 - no more imports than needed
            book = CalamineWorkbook.from_filelike(stream)
        for meta in book.sheets_metadata:
            if meta.typ != SheetTypeEnum.WorkSheet or meta.visible != SheetVisibleEnum.Visible:
                continue
            sheet = book.get_sheet_by_name(meta.name)
            if sheet.total_width > MOST_COLUMNS or sheet.total_height > MOST_ROWS:
                return UNREADABLE
            start = sheet.start[1] if sheet.start else 0
            merges = sheet.merged_cell_ranges or []
            rows = list(sheet.iter_rows())
            sys.stdout.write(encode({"name": meta.name, "start": start, "merges": merges, "rows": len(rows)}))
            sys.stdout.write("\n")
            for row in rows:
                sys.stdout.write(encode(row))
                sys.stdout.write("\n")
    except PasswordError:
        return PASSWORD
    return 0  # whatever else is raised, a panic too, ends the program with another code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
