"""Many papers as one print job or one archive: every page is there, names stay whole, memory stays flat."""

import io
import os
import tracemalloc
import zipfile
from dataclasses import replace
from pathlib import Path

import pypdfium2
import pytest
from pypdf import PdfReader

from app.documents.merge import merge_pdfs
from app.documents.zip_files import file_name, write_zip
from tests.documents.samples import PASSED, REJECTED
from tests.signing.keys import new_key, rendered, signed


def merged(*sources):
    out = io.BytesIO()
    count = merge_pdfs(sources, out)
    return count, out.getvalue()


def test_pages_add_up_and_read_as_before(tmp_path):
    key = new_key(tmp_path)
    long = replace(PASSED, readings=tuple((f"项目{n:03d}", "合格", "—") for n in range(120)))
    sources = [signed(key), signed(key, REJECTED), rendered(long)]
    wanted = [page for data in sources for page in PdfReader(io.BytesIO(data)).pages]
    count, data = merged(*sources)
    pages = PdfReader(io.BytesIO(data), strict=True).pages
    assert count == len(pages) == len(wanted) >= 9
    for mine, theirs in zip(pages, wanted, strict=True):
        assert mine.extract_text() == theirs.extract_text()
        assert mine.mediabox == theirs.mediabox
    assert b"/ByteRange" not in data, "a print copy carries no signature"


def test_pages_look_as_before():
    sources = [rendered(), rendered(REJECTED)]
    _count, data = merged(*sources)
    pictures = [page.render(scale=0.5).to_pil().tobytes() for page in pypdfium2.PdfDocument(data)]
    wanted = [p.render(scale=0.5).to_pil().tobytes() for d in sources for p in pypdfium2.PdfDocument(d)]
    assert pictures == wanted


def test_nothing_merged_is_a_document_without_pages():
    count, data = merged()
    assert count == 0
    assert data.startswith(b"%PDF")


def _peak(function):
    tracemalloc.start()
    function()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


@pytest.mark.parametrize("write", ["zip", "merge"])
def test_memory_does_not_grow_with_the_number_of_papers(write):
    data = rendered()

    def run(count):
        with Path(os.devnull).open("wb") as out:
            if write == "zip":
                with io.BufferedRandom(io.FileIO(os.memfd_create("zip"), "r+")) as seekable:
                    write_zip(((f"{n}.pdf", data) for n in range(count)), seekable)
            else:
                merge_pdfs((data for _n in range(count)), out)

    run(2)
    more = _peak(lambda: run(120)) - _peak(lambda: run(20))
    assert more / 100 < len(data) / 3, "what stays of a paper is its places in the table, not the paper"


def test_names_are_those_of_the_paper():
    assert file_name(("呼计检字第1号", "电子计价秤", "S-1"), "pdf") == "呼计检字第1号_电子计价秤_S-1.pdf"
    assert file_name(("1", "加油机", "TQ19070007(1枪)"), "pdf") == "1_加油机_TQ19070007(1枪).pdf"
    assert file_name(("1", "", "2"), "pdf") == "1_2.pdf"


@pytest.mark.parametrize("bad", ["../../etc/passwd", "a\\b", "c:\\x", 'a:b*c?d"e<f>g|h', "x\u202egpj.exe", "x\x00y\n"])
def test_names_hold_nothing_that_windows_refuses_or_that_leaves_the_folder(bad):
    name = file_name((bad,), "pdf")
    assert not set(name) & set('\\/:*?"<>|\u202e\x00\n')
    assert name.endswith(".pdf")
    assert not name.startswith(".")


def test_reserved_and_long_names():
    assert file_name(("CON",), "pdf") == "_CON.pdf"
    assert file_name(("...",), "pdf") == "文件.pdf"
    assert len(file_name(("长" * 300,), "pdf")) == 120


def test_names_are_marked_as_utf8_and_come_once():
    out = io.BytesIO()
    pairs = [
        ("证书_𠮷秤.pdf", b"1"),
        ("证书_𠮷秤.pdf", b"2"),
        ("A.pdf", b"3"),
        ("a.pdf", b"4"),
        ("证书_𠮷秤(2).pdf", b"5"),
    ]
    assert write_zip(iter(pairs), out) == 5
    archive = zipfile.ZipFile(out)
    assert archive.testzip() is None
    names = archive.namelist()
    assert names == ["证书_𠮷秤.pdf", "证书_𠮷秤(2).pdf", "A.pdf", "a(2).pdf", "证书_𠮷秤(2)(2).pdf"]
    assert len({name.casefold() for name in names}) == 5
    for info in archive.infolist():
        assert bool(info.flag_bits & 0x800) == (not info.filename.isascii())
    assert [archive.read(name) for name in names] == [b"1", b"2", b"3", b"4", b"5"]
