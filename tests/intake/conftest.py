"""Reference tables cut from the national catalogue and divisions, enough for the sample ledgers."""

import csv
import io
from pathlib import Path

import pytest

from app.intake.reference import CategoryRef, DivisionRef, ReferenceTables

SAMPLES = Path(__file__).parents[1] / "samples"

CATALOGUE = """level1,level2,code,valid
非自动衡器,非自动衡器,2,1
加油机,燃油加油机,10,1
加气机,压缩天然气加气机,12,1
加气机,液化天然气加气机,13,1
血压计(表),无创自动测量血压计,18,1
血压计(表),无创非自动测量血压计,19,1
压力仪表,指示类压力表,,1
机动车测速仪,机动车测速仪,,1
出租汽车计价器,出租汽车计价器,,1
焦度计,焦度计,,1
验光仪器,验光仪、综合验光仪,,1
验光仪器,验光镜片箱,,1
透射式烟度计,透射式烟度计,,1
水分测定仪,烘干法水分测定仪,,1
水分测定仪,电容法和电阻法谷物水分测定仪,,1
谷物容重器,谷物容重器,,1
医用诊断X射线设备,医用诊断X射线设备,,1
心脑电测量仪器,心电图仪,,1
心脑电测量仪器,脑电图仪,,1
心脑电测量仪器,多参数监护仪,,1
旧目录,作废种别,99,0
"""

DIVISIONS = """code,name,parent_code,level
150000,内蒙古自治区,,province
150100,呼和浩特市,150000,city
150105,赛罕区,150100,county
150800,巴彦淖尔市,150000,city
150821,五原县,150800,county
440000,广东省,,province
440100,广州市,440000,city
440103,荔湾区,440100,county
441900,东莞市,440000,city
"""


@pytest.fixture(scope="session")
def ref():
    categories = {
        (row["level1"], row["level2"]): CategoryRef(
            number,
            row["level1"],
            row["level2"],
            row["code"],
            row["valid"] == "1",
            row["level1"] in ("加油机", "加气机"),
        )
        for number, row in enumerate(csv.DictReader(io.StringIO(CATALOGUE)), 1)
    }
    rows = list(csv.DictReader(io.StringIO(DIVISIONS)))
    parents = {row["parent_code"] for row in rows}
    divisions = {
        row["code"]: DivisionRef(row["code"], row["name"], row["level"], row["code"] in parents) for row in rows
    }
    return ReferenceTables(categories, divisions)
