"""Makes app/access/common_passwords.txt: 3,000 passwords that many people in China would think of (ASVS 6.2.4, 6.2.11).

No list of anybody else was copied: the entries are combined here from what such passwords are made of: everyday pinyin
words, keyboard walks, lucky numbers, years and dates, repeated words, and how people "strengthen" them (a capital, an @,
123 at the end). Every entry has at least ten characters, because shorter ones are refused for their length; small
letters only, because passwords are compared with their case folded.

    python -m app.access.common_passwords    # writes the file anew; a test holds file and rules equal
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice, product, zip_longest
from pathlib import Path

FILE = Path(__file__).with_suffix(".txt")
COUNT, SHORTEST = 3_000, 10
WORDS = [
    "password",
    "passwd",
    "passw0rd",
    "p@ssw0rd",
    "p@ssword",
    "admin",
    "administrator",
    "root",
    "user",
    "guest",
    "test",
    "login",
    "welcome",
    "letmein",
    "system",
    "manager",
    "master",
    "secret",
    "hello",
    "iloveyou",
    "monkey",
    "dragon",
    "sunshine",
    "princess",
    "football",
    "superman",
    "computer",
    "internet",
    "windows",
    "server",
    "woaini",
    "woaiwo",
    "wobuzhidao",
    "nihao",
    "zhongguo",
    "beijing",
    "shanghai",
    "guangzhou",
    "shenzhen",
    "hangzhou",
    "hohhot",
    "neimenggu",
    "jiliangjian",
    "jianding",
    "qiangjian",
    "shichang",
    "jianguan",
    "yuangong",
    "gongsi",
    "danwei",
    "mima",
    "denglu",
    "xitong",
    "guanliyuan",
    "jiayouzhan",
    "dianzicheng",
    "wangxiaoming",
    "zhangwei",
    "wangfang",
    "liuyang",
    "lilei",
    "hanmeimei",
    "chenchen",
    "baobao",
    "laopo",
    "laogong",
    "xiaoxiao",
    "kuaile",
    "xingfu",
    "pingan",
    "facai",
    "gongxi",
    "chunjie",
    "zhongqiu",
    "qingming",
    "duanwu",
    "guoqing",
    "tiantian",
    "yangyang",
]
WALKS = [
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "1qaz2wsx",
    "1qaz2wsx3edc",
    "qazwsxedc",
    "1q2w3e4r",
    "1q2w3e4r5t",
    "qweasdzxc",
    "q1w2e3r4",
    "q1w2e3r4t5",
    "zaq12wsx",
    "xsw2zaq1",
    "qwerty",
    "asdfgh",
    "zxcvbn",
    "qweasd",
    "poiuytrewq",
    "lkjhgfdsa",
    "147258369",
    "159357",
    "789456123",
    "963852741",
    "741852963",
]
LUCKY = [
    "123456",
    "1234567",
    "12345678",
    "123456789",
    "1234567890",
    "123123",
    "123321",
    "112233",
    "666666",
    "888888",
    "168168",
    "520520",
    "5201314",
    "1314520",
    "1314521",
    "7758521",
    "147258",
    "654321",
    "987654321",
    "0123456789",
    "000000",
    "111111",
    "88888888",
    "66666666",
    "521521",
]
ENDS = (
    "123",
    "1234",
    "12345",
    "123456",
    "123!",
    "1234!",
    "@123",
    "@1234",
    "!@#",
    "123.",
    "888",
    "666",
    "520",
    "521",
    "01",
)
YEARS = tuple(str(year) for year in (*range(2010, 2027), *range(1970, 2010)))


TOP = [
    "a",
    "q",
    "z",
    "w",
    "aa",
    "qq",
    "abc",
    "woaini",
    "password",
    "admin",
    "iloveyou",
    "qwerty",
    "zxcvbnm",
    "asdfghjkl",
    "nihao",
    "welcome",
    "test",
    "mima",
    "user",
    "root",
]


def _obvious() -> Iterator[str]:
    """What everybody thinks of first; all of it is in the list."""
    yield from (*LUCKY, *WORDS, *WALKS, "1234567891", "12345678910", "11223344556677", "1111111111", "5201314520")
    for word, number in product(TOP, (*LUCKY, *ENDS)):
        yield from (word + number, number + word, f"{word}@{number}")


def _strengthened() -> Iterator[str]:
    for end, word in product(ENDS, WORDS):
        yield word + end
        yield word + "@" + end


def _with_numbers() -> Iterator[str]:
    for number, word in product(LUCKY, (*WORDS, *WALKS, *"abcqwxyz", "aa", "abc", "qq", "aaa")):
        yield word + number
        yield number + word


def _with_years() -> Iterator[str]:
    for year, word in product(YEARS, WORDS):
        yield word + year
        yield word + "@" + year


def _repeated() -> Iterator[str]:
    for part in (*WORDS, *WALKS, *LUCKY, "abc", "abcd", "qwe", "asd", "1234", "12", "13", "ab", "aabb", "abcabc"):
        yield from (part * times for times in (2, 3, 4, 5))


def _walks() -> Iterator[str]:
    yield from WALKS
    for first, second in product((*WALKS, *LUCKY), repeat=2):
        yield first + second


def _dates() -> Iterator[str]:
    for year, month, word in product(YEARS[17:], range(1, 13), ("a", "qq", "abc")):
        yield f"{word}{year}{month:02d}01"


def entries() -> list[str]:
    """The list: the obvious ones, then the other kinds by turns so that each is well represented; each once, in order."""
    kinds = (_strengthened(), _with_numbers(), _with_years(), _repeated(), _walks(), _dates())
    mixed = (entry for entry in chain.from_iterable(zip_longest(*kinds)) if entry)
    fit = (entry.casefold() for entry in chain(_obvious(), mixed) if SHORTEST <= len(entry) <= 24)
    kept = dict.fromkeys(fit)
    return sorted(islice(kept, COUNT))


if __name__ == "__main__":
    FILE.write_text("\n".join(entries()) + "\n", encoding="ascii")
