"""Password rules: what each manual prints, ASVS, 等保; and the list of common ones, made by our own rules."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app import clock
from app.access import common_passwords, passwords
from app.access.passwords import problem_with

GOOD = "Zhongqiu-Yuebing-26"


@pytest.fixture
def profile(app, context, monkeypatch):
    def choose(name: str, **password):
        from flask import g

        from app.profiles import load

        monkeypatch.setitem(app.config, "PROFILE", name)
        g.pop("profiles", None)
        for key, value in password.items():
            monkeypatch.setitem(load(name)["password"], key, value)

    return choose


@pytest.mark.feature("REG-13")
@pytest.mark.parametrize(
    ("kind", "password", "good"),
    [
        ("individual", "abcdef1", False),
        ("individual", "Abcdef1", True),
        ("individual", "ABCDEF1", False),
        ("individual", "Abcdefg", False),
        ("individual", "Abcd1", False),
        ("individual", "Abcde1" + "x" * 14, True),
        ("individual", "Abcde1" + "x" * 15, False),
        ("enterprise", "abcdef", False),
        ("enterprise", "abcde1", True),
        ("enterprise", "abcde!", True),
        ("enterprise", "123456", False),
        ("enterprise", "12345!", True),
        ("enterprise", "abcd1", False),
    ],
)
def test_the_two_rules_of_the_national_manual(profile, kind, password, good):
    profile("national")
    assert (problem_with(password, ["someuser"], kind=kind) is None) is good


@pytest.mark.feature("REG-13")
@pytest.mark.parametrize("name", ["hohhot", "guangdong"])
def test_elsewhere_eight_to_twenty_of_two_kinds(profile, name):
    profile(name)
    assert problem_with("abcdef1") is not None
    assert problem_with("abcdefg1") is None
    assert problem_with("abcdefgh") is not None
    assert problem_with("a1" * 10 + "b") is not None


def test_the_printed_rule_still_refuses_the_user_name_and_the_common_first_password(profile):
    profile("national")
    assert "用户名" in problem_with("Wangwu12", ["wangwu12", "王五"])
    assert problem_with("Wangwu123", ["wangwu12", "王五"]) is None
    for password in ("123321", "a123321", "123321Aa"):
        assert problem_with(password, kind="individual") is not None


def test_privileged_roles_keep_to_asvs_whatever_the_manual_prints(profile):
    profile("national")
    assert problem_with("abcde1", privileged=True) is not None
    assert problem_with(GOOD, privileged=True) is None
    assert passwords.is_privileged(["VER", "APR"])
    assert not passwords.is_privileged(["ENT"])


@pytest.mark.parametrize(
    "password",
    [
        "short-one",
        "x" * 129,
        "1234567890",
        "PASSWORD123",
        "woaini1314520",
        "aaaaaaabbb1",
        "my-jiliang-word",
        "x123321-yes-it-is",
        "guangmingjiayou-26",
        "王小明的密码2026x",
    ],
)
def test_asvs_refuses_common_and_own_words(profile, password):
    profile("all")
    assert problem_with(password, ["guangming", "王小明", "光明加油站"]) is not None


def test_asvs_takes_long_sentences_and_keeps_blanks(profile):
    profile("all")
    for password in (GOOD, "  four plain words here  ", "四月的雨落在院子里的梧桐树上", "x" * 64 + "yz1w"):
        assert problem_with(password, ["guangming"]) is None


def test_dengbao_asks_for_three_kinds_and_renewal(profile):
    profile("all", policy="dengbao90")
    assert "三种" in problem_with("onlysmallletters")
    assert "三种" in problem_with("small-letters-and-signs")
    assert problem_with("Small-letters-and-signs") is None
    assert problem_with("Short-1x") is not None
    assert not passwords.is_too_old(clock.now() - timedelta(days=90) + timedelta(minutes=1))
    assert passwords.is_too_old(clock.now() - timedelta(days=90, minutes=1))
    profile("all", policy="asvs")
    assert not passwords.is_too_old(clock.now() - timedelta(days=900))


def test_three_thousand_common_passwords_made_by_our_own_rules():
    listed = common_passwords.FILE.read_text(encoding="ascii").split()
    assert listed == common_passwords.entries()
    assert len(set(listed)) == 3_000
    assert all(len(entry) >= 8 and entry == entry.casefold() for entry in listed)
    assert all(len(entry) >= passwords.MINIMUM for entry in listed), "shorter ones are refused anyway"


@pytest.mark.parametrize(
    ("name", "policy", "words"),
    [
        ("national", "manual", "6-20个字符, 必须由数字、字母或符号两种以上组成"),
        ("all", "asvs", "至少10个字符"),
        ("all", "dengbao90", "90天"),
    ],
)
def test_the_form_says_the_rule(profile, name, policy, words):
    profile(name, policy=policy)
    assert words in passwords.hint("enterprise")
