"""The peer of bench.export: a program for django-import-export's own environment; it reads the same table."""

from __future__ import annotations

PEER = """
import json, resource, sys, time
from urllib.parse import parse_qs, unquote, urlsplit
import django
from django.conf import settings

url, folder = sys.argv[1], sys.argv[2]
parts = urlsplit(url)
query = parse_qs(parts.query)
settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "NAME": parts.path.lstrip("/"),
        "USER": unquote(parts.username or ""), "PASSWORD": unquote(parts.password or ""),
        "HOST": (query.get("host") or [parts.hostname or ""])[0], "PORT": str(parts.port or (query.get("port") or [""])[0])}},
    INSTALLED_APPS=["import_export"], USE_TZ=True, DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
)
django.setup()
from django.db import models
from import_export import fields, resources

class Category(models.Model):
    level1 = models.CharField(max_length=60); level2 = models.CharField(max_length=60)
    class Meta: managed = False; db_table = "category"; app_label = "peer"

class Instrument(models.Model):
    name = models.CharField(max_length=100); model = models.CharField(max_length=100)
    measuring_range = models.CharField(max_length=100); accuracy_class = models.CharField(max_length=50)
    serial_no = models.CharField(max_length=100); own_no = models.CharField(max_length=50)
    manufacturer = models.CharField(max_length=100); origin = models.CharField(max_length=10)
    use_division = models.CharField(max_length=6); place = models.CharField(max_length=200)
    purchased_on = models.DateField(null=True); quantity = models.IntegerField()
    purpose = models.CharField(max_length=12); delivery_mode = models.CharField(max_length=10)
    valid_until = models.DateField(null=True); state = models.CharField(max_length=24)
    category = models.ForeignKey(Category, on_delete=models.DO_NOTHING)
    class Meta: managed = False; db_table = "instrument"; app_label = "peer"

class Ledger(resources.ModelResource):
    level1 = fields.Field(attribute="category__level1"); level2 = fields.Field(attribute="category__level2")
    class Meta:
        model = Instrument
        fields = ("name", "level1", "level2", "model", "measuring_range", "accuracy_class", "serial_no", "own_no",
            "manufacturer", "origin", "use_division", "place", "purchased_on", "quantity", "purpose", "delivery_mode",
            "valid_until", "state")

begun = time.perf_counter()
found = Ledger().export(Instrument.objects.select_related("category").order_by("id"))
with open(folder + "/peer.xlsx", "wb") as out: out.write(found.xlsx)
took = time.perf_counter() - begun
print(json.dumps({"s": round(took, 2), "first_s": round(took, 2), "rows": len(found), "kb": 0, "base_mb": 0,
    "mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)}))
"""
