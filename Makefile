# 权衡 Quanheng. `make help` lists the targets; each makes what it needs, `make run` on a bare Debian 12 included.

.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# A change of the requirements changes the name of the stamp, so that make installs again; else a start costs nothing.
HASH := $(shell cat requirements.txt | sha256sum | cut -c1-16)
DEV_HASH := $(shell cat requirements.txt requirements-dev.txt | sha256sum | cut -c1-16)
STAMP := $(VENV)/stamp-run-$(HASH)
DEV_STAMP := $(VENV)/stamp-dev-$(DEV_HASH)
CATALOGUES := $(patsubst %.po,%.mo,$(wildcard translations/*/LC_MESSAGES/*.po))
FOLDERS := app models views jobs migrations config.py run.py
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: help run demo test check lint types layers texts bench features clean browser

help: ## 列出全部命令
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

run: $(STAMP) $(CATALOGUES) ## 启动整个平台（PORT、HOST、QUANHENG_VAR 可设），Ctrl-C 结束
	@exec $(BIN)/python run.py

demo: $(STAMP) $(CATALOGUES) ## 装入演示数据（平台运行与否均可）
	@$(BIN)/python -m flask --app run demo load

test: $(DEV_STAMP) $(CATALOGUES) browser ## 运行全部测试
	$(BIN)/python -m pytest -n 3 --dist worksteal $(ARGS)

check: lint types layers texts ## 静态检查：格式、类型、层次、迁移、译文

lint: $(DEV_STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(DEV_STAMP)
	$(BIN)/mypy

layers: $(DEV_STAMP)
	$(BIN)/lint-imports

texts: $(DEV_STAMP) $(CATALOGUES)
	$(BIN)/python -m tests.checks $(CHECKS)

bench: $(DEV_STAMP) $(CATALOGUES) ## 性能测量
	$(BIN)/python -m bench.every $(ARGS)

features: $(DEV_STAMP) ## 功能与测试对照表
	@$(BIN)/python -m tests.feature_report

clean: ## 删除虚拟环境和各种缓存（数据目录 var 保留）
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache $(CATALOGUES)
	find . -name __pycache__ -type d -not -path './var/*' -prune -exec rm -rf {} +

%.mo: %.po | $(STAMP)
	@$(BIN)/pybabel -q compile -i $< -o $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo '需要 Python 3.11 或更高版本；请安装后执行 make PYTHON=/路径/python3 run。' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends python3-venv; \
	  else echo '此 Python 缺少 venv，请先执行：sudo apt-get install python3-venv' >&2; exit 1; fi; }
	@echo '正在建立虚拟环境 $(VENV)……'
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)

# pip compiles what it installs; the second line does our own code, so that the first page is not slower than the next.
$(STAMP): | $(BIN)/python
	@echo '正在安装依赖（仅首次或依赖变化时）……'
	@$(PIP) install -q --root-user-action=ignore -r requirements.txt
	@$(BIN)/python -m compileall -q $(wildcard $(FOLDERS)) || true
	@touch $@

$(DEV_STAMP): $(STAMP)
	@echo '正在安装测试与检查工具（仅首次或依赖变化时）……'
	@$(PIP) install -q --root-user-action=ignore -r requirements-dev.txt
	@touch $@

# Browser tests drive Debian's Chromium; without a Chinese font every label is an empty box and has the wrong width.
browser:
	@missing=''; \
	command -v chromium >/dev/null || missing='chromium'; \
	ls /usr/share/fonts/opentype/noto/NotoSansCJK-* >/dev/null 2>&1 || missing="$$missing fonts-noto-cjk"; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $$missing; \
	else echo "浏览器测试还需要：sudo apt-get install $$missing"; fi
