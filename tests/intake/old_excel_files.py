"""Builds .xls files byte by byte (MS-XLS in MS-CFB): good ones, and such as no program writes."""

import struct

FREE, END, FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
SECTOR = 512


def record(kind, data=b""):
    return struct.pack("<HH", kind, len(data)) + data


def _text(value):
    return struct.pack("<HB", len(value), 1) + value.encode("utf-16-le")


def _cell(row, column, value):
    place = struct.pack("<HHH", row, column, 0)
    if isinstance(value, str):
        return record(0x204, place + _text(value))
    return record(0x203, place + struct.pack("<d", value))


def biff(sheets, merges=(), extra_globals=b"", extra_sheet=b""):
    """The Workbook stream of sheets, each (name, rows); None is a blank cell."""
    bodies = []
    for _, rows in sheets:
        cells = b"".join(
            _cell(at, column, value)
            for at, row in enumerate(rows)
            for column, value in enumerate(row)
            if value is not None
        )
        spans = b"".join(struct.pack("<HHHH", top, bottom, left, right) for top, left, bottom, right in merges)
        merged = record(0xE5, struct.pack("<H", len(merges)) + spans) if merges else b""
        bodies.append(
            record(0x809, struct.pack("<HHHHII", 0x600, 0x10, 0, 0, 0, 0)) + cells + extra_sheet + merged + record(0x0A)
        )
    names = [struct.pack("<BB", len(name), 1) + name.encode("utf-16-le") for name, _ in sheets]
    first = record(0x809, struct.pack("<HHHHII", 0x600, 5, 0, 0, 0, 0)) + extra_globals
    place = len(first) + sum(4 + 6 + len(name) for name in names) + 4
    bounds = b""
    for name, body in zip(names, bodies, strict=True):
        bounds += record(0x85, struct.pack("<IBB", place, 0, 0) + name)
        place += len(body)
    return first + bounds + record(0x0A) + b"".join(bodies)


def _entry(name, kind, start, size, child=FREE):
    title = name.encode("utf-16-le") + b"\0\0" if name else b""
    return (
        title.ljust(64, b"\0")
        + struct.pack("<HBBIII", len(title), kind, 1, FREE, FREE, child)
        + bytes(36)
        + struct.pack("<II", start, size)
        + bytes(4)
    )


def container(streams, chain=None):
    """A compound file of {name: bytes}; ``chain`` changes the allocation table before it is written."""
    table, body, entries = [], b"", []
    for name, data in streams.items():
        data = data.ljust(4096, b"\0")
        start, count = len(table), -(-len(data) // SECTOR)
        table += [*range(start + 1, start + count), END]
        body += data.ljust(count * SECTOR, b"\0")
        entries.append(_entry(name, 2, start, len(data)))
    directory = len(table)
    listing = b"".join([_entry("Root Entry", 5, END, 0, child=1), *entries])
    count = -(-len(listing) // SECTOR)
    table += [*range(directory + 1, directory + count), END]
    body += listing.ljust(count * SECTOR, b"\0")
    fat_start, fat_count = len(table), 1
    while (len(table) + fat_count) * 4 > fat_count * SECTOR:
        fat_count += 1
    table += [FAT] * fat_count
    if chain is not None:
        chain(table)
    fat = b"".join(struct.pack("<I", number) for number in table).ljust(fat_count * SECTOR, b"\xff")
    places = [*range(fat_start, fat_start + fat_count)]
    header = (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
        + bytes(16)
        + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6)
        + bytes(10)
        + struct.pack("<IIIIIIIII", fat_count, directory, 0, 4096, END, 0, END, 0, places[0])
        + b"".join(struct.pack("<I", number) for number in [*places[1:], *[FREE] * (109 - len(places))])
    )
    return header.ljust(SECTOR, b"\0") + body + fat


def xls(path, *sheets, **options):
    """Write an ordinary .xls."""
    path.write_bytes(container({"Workbook": biff(sheets, **options)}))
    return path
