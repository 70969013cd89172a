"""django-import-export loading the same ledger: cached look-ups, bulk writes, every row validated. Run by its own Python.

Usage: python import_export_peer.py FILE REFERENCE_FOLDER, with the database in BENCH_PEER (libpq). Prints one JSON line.
"""

from __future__ import annotations

import csv
import json
import os
import resource
import sys
import time
from pathlib import Path

import django
import psycopg
import tablib
from django.conf import settings

file, reference = Path(sys.argv[1]), Path(sys.argv[2])
place = psycopg.conninfo.conninfo_to_dict(os.environ["BENCH_PEER"])
settings.configure(
    INSTALLED_APPS=["django.contrib.contenttypes", "import_export"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": place["dbname"],
            "USER": place.get("user", ""),
            "HOST": place.get("host", ""),
            "PORT": place.get("port", ""),
        }
    },
    USE_TZ=True,
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
)
django.setup()

from django.core.exceptions import ValidationError  # noqa: E402
from django.db import connection, models  # noqa: E402
from import_export import fields, resources, widgets  # noqa: E402

HEADS = {
    "name": "器具名称",
    "model": "型号规格",
    "measuring_range": "测量范围",
    "accuracy_class": "准确度等级",
    "serial_no": "出厂编号",
    "own_no": "自编号",
    "manufacturer": "生产厂家",
    "origin": "器具产地",
    "use_division": "使用地点行政区划",
    "place": "安装/使用地点",
    "purchased_on": "购置时间",
    "quantity": "器具数量",
    "purpose": "器具用途",
    "delivery_mode": "送检方式",
    "valid_until": "有效期至",
    "note": "备注",
}
PURPOSES = {"贸易结算", "安全防护", "医疗卫生", "环境监测"}


class Category(models.Model):
    """强检目录."""

    level1 = models.CharField(max_length=60)
    level2 = models.CharField(max_length=60, unique=True)

    class Meta:
        app_label = "peer"


class Instrument(models.Model):
    """计量器具: the columns of the file, and the keys that the platform's list and search need least."""

    category = models.ForeignKey(Category, on_delete=models.PROTECT)
    name = models.CharField(max_length=100)
    model = models.CharField(max_length=100, blank=True)
    measuring_range = models.CharField(max_length=100, blank=True)
    accuracy_class = models.CharField(max_length=50, blank=True)
    serial_no = models.CharField(max_length=100, db_index=True)
    own_no = models.CharField(max_length=50, blank=True)
    manufacturer = models.CharField(max_length=100, blank=True)
    origin = models.CharField(max_length=10)
    use_division = models.CharField(max_length=6, db_index=True)
    place = models.CharField(max_length=200)
    purchased_on = models.DateField(null=True)
    quantity = models.IntegerField(default=1)
    purpose = models.CharField(max_length=12)
    delivery_mode = models.CharField(max_length=10)
    valid_until = models.DateField(null=True, db_index=True)
    note = models.CharField(max_length=500, blank=True)

    class Meta:
        app_label = "peer"
        constraints = [models.UniqueConstraint(fields=["manufacturer", "serial_no"], name="peer_same")]


class CachedCategory(widgets.Widget):
    """A foreign key found in memory."""

    known: dict[str, Category] = {}

    def clean(self, value, row=None, **kwargs):
        """The entry, or what is wrong."""
        if value not in self.known:
            raise ValueError(f"种别“{value}”不存在")
        return self.known[value]


def column(key: str) -> fields.Field:
    """One column of the file."""
    widget = {
        "purchased_on": widgets.DateWidget("%Y-%m-%d"),
        "valid_until": widgets.DateWidget("%Y-%m-%d"),
        "quantity": widgets.IntegerWidget(),
    }.get(key)
    return fields.Field(attribute=key, column_name=HEADS[key], widget=widget)


class InstrumentResource(resources.ModelResource):
    """The import, tuned: no transactions per row, no diffs, bulk writes, duplicates from memory."""

    category = fields.Field(attribute="category", column_name="二级目录", widget=CachedCategory())
    locals().update({key: column(key) for key in HEADS})

    class Meta:
        model = Instrument
        import_id_fields = ("serial_no", "manufacturer")
        use_bulk = True
        batch_size = 1000
        force_init_instance = True
        skip_diff = True
        report_skipped = False
        skip_html_diff = True
        use_transactions = True

    def before_import(self, dataset, **kwargs):
        """Look-ups once."""
        CachedCategory.known = {c.level2: c for c in Category.objects.all()}
        with (reference / "divisions.csv").open(encoding="utf-8") as handle:
            self.divisions = {row["code"] for row in csv.DictReader(handle) if row["level"] == "county"}
        self.seen = set(Instrument.objects.values_list("manufacturer", "serial_no"))

    def before_import_row(self, row, **kwargs):
        """The rules of a row."""
        problems = {}
        for key in ("name", "serial_no", "use_division", "place", "purpose", "delivery_mode"):
            if not row.get(HEADS[key]):
                problems[key] = f"请填写{HEADS[key]}"
        if str(row.get(HEADS["use_division"])) not in self.divisions:
            problems["use_division"] = "行政区划不存在"
        if row.get(HEADS["purpose"]) not in PURPOSES:
            problems["purpose"] = "用途不在范围内"
        same = (str(row.get(HEADS["manufacturer"]) or ""), str(row.get(HEADS["serial_no"])))
        if same in self.seen:
            problems["serial_no"] = "该器具已存在"
        self.seen.add(same)
        if problems:
            raise ValidationError(problems)


def main() -> None:
    """Load once into an empty table."""
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS peer_instrument, peer_category CASCADE")
    with connection.schema_editor() as editor:
        editor.create_model(Category)
        editor.create_model(Instrument)
    with (reference / "catalogue.csv").open(encoding="utf-8") as handle:
        lines = [Category(level1=row["level1"], level2=row["level2"]) for row in csv.DictReader(handle)]
    Category.objects.bulk_create(lines)
    begun = time.perf_counter()
    dataset = tablib.Dataset().load(file.read_bytes(), format="xlsx")
    result = InstrumentResource().import_data(dataset, dry_run=False, raise_errors=False)
    spent = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    made = Instrument.objects.count()
    print(json.dumps({"load": spent, "rows": made, "mb": peak, "refused": len(result.invalid_rows)}))


main()
