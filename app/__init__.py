"""The platform's code. Whatever imports a part of it has decided how workbooks are parsed: see below."""

import os

# openpyxl would take lxml as soon as another package brings it along; workbooks of strangers are read by defusedxml only
os.environ["OPENPYXL_LXML"] = "False"
