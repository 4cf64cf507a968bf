#!/usr/bin/env bash
# Writes where the project lives into what is published: dist/addresses.sh REPOSITORY [HOMEPAGE]
#
# Both are URLs; without the second the first is meant. In the two crates, the Python package and the npm package they
# stand where cargo, pip, npm and cargo-binstall look for them. Given again it replaces them.
set -euo pipefail
repository=${1:?which repository? dist/addresses.sh https://HOST/OWNER/surprisal [HOMEPAGE]}
homepage=${2:-$repository}
for url in "$repository" "$homepage"; do
    [[ $url =~ ^https://[^[:space:]\"\\\|\&]+$ ]] || { echo "not the URL of a page: $url" >&2 && exit 1; }
done
cd "$(dirname "$0")/.."

for manifest in Cargo.toml crates/surprisal-cuda/Cargo.toml; do
    sed -i -E -e '/^(repository|homepage) = /d' \
        -e "s|^documentation = .*|&\nrepository = \"$repository\"\nhomepage = \"$homepage\"|" "$manifest"
done
sed -i -E -e '/^\[project\.urls\]$/,/^$/d' \
    -e "s|^\[project\.entry-points.*|[project.urls]\nRepository = \"$repository\"\nHomepage = \"$homepage\"\n\n&|" python/pyproject.toml
sed -i -E -e '/^  "(repository|homepage)": /d' \
    -e "s|^  \"license\": .*|&\n  \"repository\": \"$repository\",\n  \"homepage\": \"$homepage\",|" web/npm/package.json

# What each of the tools that read them finds there.
cargo metadata --format-version 1 --no-deps | python3 -c '
import json, re, sys
repository, homepage = sys.argv[1:]
found = [(p["repository"], p["homepage"]) for p in json.load(sys.stdin)["packages"]]
npm = json.load(open("web/npm/package.json"))
found.append((npm["repository"], npm["homepage"]))
urls = open("python/pyproject.toml").read().split("[project.urls]\n")[1]
found.append(tuple(re.findall("\"(.*)\"", urls)[:2]))
sys.exit(None if found == [(repository, homepage)] * 4 else f"a manifest was not understood: {found}")
' "$repository" "$homepage"
