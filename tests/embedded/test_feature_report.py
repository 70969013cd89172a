"""The report of features and tests."""

from tests import feature_report


def test_all_308_features_are_listed_once_with_title_and_area():
    features = feature_report.known_features()
    assert len(features) == 308
    assert len({area for _, area in features.values()}) == 20
    assert all(title and area for title, area in features.values())


def test_marks_are_found_wherever_they_stand(tmp_path):
    (tmp_path / "test_a.py").write_text(
        "import pytest\npytestmark = [pytest.mark.browser, pytest.mark.feature('REG-01')]\n"
        "@pytest.mark.feature('REG-02', 'REG-03')\ndef test_x(): ...\n"
        "@pytest.mark.feature('REG-04')\nclass TestY:\n    @pytest.mark.feature('REG-05')\n    def test_z(self): ...\n"
        "@pytest.mark.parametrize('p', [pytest.param(1, marks=pytest.mark.feature('REG-06'))])\ndef test_p(p): ...\n"
    )
    assert sorted(feature_report.marks(tmp_path)) == [
        ("REG-01", "test_a.py"),
        ("REG-02", "test_a.py::test_x"),
        ("REG-03", "test_a.py::test_x"),
        ("REG-04", "test_a.py::TestY"),
        ("REG-05", "test_a.py::TestY::test_z"),
        ("REG-06", "test_a.py::test_p"),
    ]


def test_an_unknown_id_fails(monkeypatch, capsys):
    monkeypatch.setattr(feature_report, "marks", lambda: [("REG-01", "a"), ("REG-99", "b")])
    assert feature_report.main() == 1
    captured = capsys.readouterr()
    assert "REG-99" in captured.err
    assert "1/308" in captured.out


def test_known_ids_pass(monkeypatch):
    monkeypatch.setattr(feature_report, "marks", lambda: [("REG-01", "a")])
    assert feature_report.main() == 0
