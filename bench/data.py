"""A million instruments by SQL alone: skewed over units, counties, kinds, states and due dates as ledgers are."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.orm import Session

UNITS = 20_000
NAMES = (
    "电子计价秤",
    "燃油加油机",
    "一般压力表",
    "电子汽车衡",
    "可燃气体检测报警器",
    "电子血压计",
    "数字式心电图机",
    "膜式燃气表",
    "水表",
    "直流充电桩",
)
MAKERS = (
    "上海大华衡器有限公司",
    "正星科技股份有限公司",
    "红旗仪表有限公司",
    "汉威科技集团股份有限公司",
    "欧姆龙（大连）有限公司",
    "许继电源有限公司",
)
WORDS = (
    "加油站有限公司",
    "农贸市场管理有限公司",
    "人民医院",
    "化工有限公司",
    "燃气有限公司",
    "超市连锁有限公司",
    "眼镜有限公司",
)
RARE = "敕勒川牌"
"""Stands in one row of a hundred thousand."""


def _array(words: tuple[str, ...]) -> str:
    return "ARRAY[" + ", ".join(f"'{w}'" for w in words) + "]"


def _pick(words: tuple[str, ...], n: str) -> str:
    return f"({_array(words)})[1 + ({n})::int % {len(words)}]"


def units(session: Session, phone: str) -> tuple[int, int]:
    """Make the units; gives the first and last id. `phone` is an encrypted number, the same for all."""
    statement = f"""
        WITH county AS (SELECT array_agg(code ORDER BY (code NOT LIKE '44%'), code) AS codes FROM division WHERE level = 'county')
        INSERT INTO unit (code, name, division_code, address, contact_name, contact_phone, active)
        SELECT '92' || lpad(n::text, 16, '0'),
               '第' || n || '号' || {_pick(WORDS, "n")},
               codes[1 + floor(power(random(), 3) * array_length(codes, 1))::int], '人民路' || n || '号', '王小明', :phone, true
        FROM generate_series(1, {UNITS}) n, county RETURNING id"""
    ids = session.execute(text(statement), {"phone": phone}).scalars().all()
    return min(ids), max(ids)


def instruments(session: Session, rows: int, owners: tuple[int, int], own: tuple[int, int], institute: int) -> None:
    """Insert `rows` instruments. Every two-hundredth belongs to the first unit of `own`, the first fifty to the second;
    every twentieth is filed with `institute`.

    Secondary indexes are taken away first and built again at the end, as a restore does.
    """
    first, last = owners
    session.execute(text("SET LOCAL session_replication_role = replica"))  # keys are right by construction
    definitions = session.execute(
        text(
            "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'instrument' AND indexname <> 'pk_instrument'"
        )
    ).all()
    if rows > 50_000:
        for name, _definition in definitions:
            session.execute(text(f'DROP INDEX "{name}"'))
    session.execute(
        text(f"""
        WITH category AS (SELECT array_agg(id ORDER BY id) AS ids FROM category WHERE supervision LIKE '%V%')
        INSERT INTO instrument (state, unit_id, category_id, name, model, measuring_range, accuracy_class, serial_no,
            manufacturer, origin, use_division, place, quantity, purpose, delivery_mode, valid_until, verified_on, last_result,
            institute_id, dup_key, search_text, quality_faults, version)
        SELECT state, unit_id, category_id, name, CASE WHEN n % 50 = 7 THEN '' ELSE 'M-' || n % 90 END,
            CASE WHEN n % 40 = 9 THEN '' ELSE '(0~' || n % 30 || ')kg' END, CASE WHEN n % 4 = 1 THEN '' ELSE 'Ⅲ' END,
            serial, maker, 'domestic', division, '一号车间' || n % 40, 1,
            CASE WHEN n % 100 < 90 THEN 'trade' WHEN n % 100 < 97 THEN 'safety' WHEN n % 100 < 99 THEN 'medical'
                 ELSE 'environment' END,
            CASE WHEN n % 3 = 0 THEN 'deliver' ELSE 'onsite' END,
            CASE WHEN result = 'pass' OR n % 5 = 0 THEN until END, CASE WHEN result IS NOT NULL THEN until - 364 END, result,
            CASE WHEN result IS NOT NULL THEN (SELECT array_agg(id ORDER BY id) FROM institute)[
                1 + n % (SELECT greatest(count(*), 1)::int FROM institute)] END,
            maker || chr(31) || serial, name || ' ' || maker || ' ' || unit_name,
            CASE WHEN n % 50 = 7 THEN '["no_model"]'::jsonb WHEN n % 40 = 9 THEN '["no_range"]'::jsonb ELSE '[]'::jsonb END, 1
        FROM (
          SELECT n, u.id AS unit_id, u.name AS unit_name, u.division_code AS division,
            category.ids[1 + floor(power(random(), 2) * array_length(category.ids, 1))::int] AS category_id,
            {_pick(NAMES, "floor(power(random(), 2) * 1000)")} || CASE WHEN n % 100000 = 77777 THEN '{RARE}' ELSE '' END AS name,
            {_pick(MAKERS, "n")} AS maker, 'B' || lpad(n::text, 9, '0') AS serial,
            CASE WHEN r < 0.72 THEN 'in_use' WHEN r < 0.84 THEN 'unfiled' WHEN r < 0.89 THEN 'filing'
                 WHEN r < 0.94 THEN 'suspended' ELSE 'scrapped' END AS state,
            CASE WHEN r < 0.66 THEN 'pass' WHEN r < 0.68 THEN 'fail' END AS result,
            current_date + (random() * 430 - 65)::int AS until
          FROM (SELECT n, random() AS r, CASE WHEN n <= 50 THEN {own[1]} WHEN n % 200 = 0 THEN {own[0]}
                ELSE {first} + floor(power(random(), 2) * {last - first + 1})::int END AS owner
                FROM generate_series(1, {rows}) n) x
          JOIN unit u ON u.id = x.owner CROSS JOIN category) y""")
    )
    if rows > 50_000:
        session.execute(text("SET LOCAL maintenance_work_mem = '256MB'"))
        for _name, definition in definitions:
            session.execute(text(definition))
    session.execute(
        text("""
        INSERT INTO filing (state, instrument_id, unit_id, use_division, holder_institute_id, target_institute_id,
            final_institute_id, route, submitted_at, version)
        SELECT CASE WHEN i.state = 'filing' THEN 'submitted' ELSE 'approved' END, i.id, i.unit_id, i.use_division,
            CASE WHEN i.state = 'filing' THEN :institute END, :institute,
            CASE WHEN i.state <> 'filing' THEN :institute END,
            jsonb_build_array(jsonb_build_object('institute', CAST(:institute AS bigint))), now(), 1
        FROM instrument i WHERE i.state <> 'unfiled' AND i.id % 20 = 0"""),
        {"institute": institute},
    )
    # the triggers that keep it are off here
    session.execute(
        text("INSERT INTO institute_instrument SELECT :institute, instrument_id FROM filing"), {"institute": institute}
    )
    session.commit()
    # as autovacuum does after a while: statistics, and which pages an index may answer for
    with session.get_bind().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM (ANALYZE) instrument, filing, institute_instrument"))
        connection.execute(text("ANALYZE unit"))
