"""The browser files under static/vendor are those of the packages that package-lock.json locks."""

import base64
import hashlib
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
VENDOR = ROOT / "static" / "vendor"
CHECKSUMS = json.loads((VENDOR / "checksums.json").read_text(encoding="utf-8"))
LOCK = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))["packages"]
LISTED = {f"{folder}/{name}": digest for folder, entry in CHECKSUMS.items() for name, digest in entry["files"].items()}


def test_package_json_asks_for_exact_versions_and_the_lock_has_them():
    wanted = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))["dependencies"]
    assert wanted == LOCK[""]["dependencies"]
    for name, version in wanted.items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version), f"{name} is not pinned"
        assert LOCK[f"node_modules/{name}"]["version"] == version


def test_each_vendored_folder_has_the_version_and_integrity_of_the_lock():
    wanted = LOCK[""]["dependencies"]
    assert set(CHECKSUMS) == {f"{name}@{version}" for name, version in wanted.items()}
    for folder, entry in CHECKSUMS.items():
        name, _, _ = folder.rpartition("@")
        assert entry["integrity"] == LOCK[f"node_modules/{name}"]["integrity"]
        assert entry["integrity"].startswith("sha512-")


@pytest.mark.parametrize("path", sorted(LISTED))
def test_vendored_file_is_unchanged(path):
    digest = hashlib.sha384((VENDOR / path).read_bytes()).digest()
    assert "sha384-" + base64.b64encode(digest).decode() == LISTED[path]


def test_nothing_else_lies_beside_the_vendored_files():
    found = {path.relative_to(VENDOR).as_posix() for path in VENDOR.rglob("*") if path.is_file()}
    assert found == {*LISTED, "README.md", "checksums.json"}


def test_each_vendored_package_keeps_its_licence():
    for folder in CHECKSUMS:
        assert (VENDOR / folder / "LICENSE").read_text(encoding="utf-8").strip()


def test_the_lock_names_no_private_registry():
    for package in LOCK.values():
        assert package.get("resolved", "https://registry.npmjs.org/").startswith("https://registry.npmjs.org/")


def test_the_pages_use_the_vendored_versions():
    base = (ROOT / "templates" / "base.html").read_text(encoding="utf-8")
    used = set(re.findall(r"vendor/([^/'\"]+)/", base))
    assert used == set(CHECKSUMS)
