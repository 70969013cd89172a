"""Paper out: certificates, booking sheets, QR codes, and spreadsheet files.

Everything here is pure: facts go in as frozen dataclasses or plain rows, bytes
come out. No database, no request, no settings, so the same facts give the same
bytes in a web worker, a job or a test.
"""
