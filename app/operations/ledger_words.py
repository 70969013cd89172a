"""Words of the ledger's small closed lists, as lists, pages and files show them."""

from __future__ import annotations

NOZZLE_STATES = {"in_use": "在用", "former": "已更换"}
TRANSFER_STATES = {
    "asked": "待接收",
    "accepted": "已接收",
    "refused": "已拒绝",
    "withdrawn": "已撤回",
    "lapsed": "已失效",
}
LINE_OUTCOMES = {"waiting": "待办理", "done": "成功", "failed": "未办理", "cancelled": "已取消"}
