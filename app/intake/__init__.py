"""Workbooks in: upload guard, ledger reader, row rules, duplicate keys, plan, template and error workbook.

Everything here is pure: no web framework, no database, no clock. Reference data (catalogue, divisions)
arrives as :class:`app.intake.reference.ReferenceTables`; the caller stores what the plan says.
"""
