#!/usr/bin/env bash
# Packs what is given away for this machine: dist/build.sh [FOLDER]      default: target/package
#
# Into FOLDER/surprisal-TARGET-vVERSION.tgz go the program (the profile dist), its man pages and completions, README, CHANGELOG and LICENSE; the
# licences of all that is linked into it (THIRD-PARTY.txt, by cargo-about) and a list of that (surprisal.cdx.json, CycloneDX, by cargo-cyclonedx).
# Both tools are installed by cargo where they are missing, which takes some minutes. The list is HEAD's: commit first.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p "${1:-target/package}"
folder=$(realpath "${1:-target/package}")
target=$(rustc -vV | sed -n 's/^host: //p')
version=$(cargo pkgid | sed 's/.*[#@]//')
name=surprisal-$target-v$version
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
package=$work/$name
mkdir "$package"

CARGO_ENCODED_RUSTFLAGS=$(dist/rustflags.sh) cargo build --quiet --locked --profile dist --bin surprisal
cp target/dist/surprisal README.md CHANGELOG.md LICENSE "$package"
mkdir "$package"/{man,completions}
"$package/surprisal" generate man >"$package/man/surprisal.1"
for verb in $("$package/surprisal" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p' | grep -vx help); do
    "$package/surprisal" generate man "$verb" >"$package/man/surprisal-$verb.1"
done
for shell in bash elvish fish powershell zsh; do
    "$package/surprisal" generate completions "$shell" >"$package/completions/surprisal.$shell"
done

dist/notices.sh Cargo.toml >"$package/THIRD-PARTY.txt"
command -v cargo-cyclonedx >/dev/null || cargo install --quiet --locked cargo-cyclonedx@0.5.9
# It writes beside each Cargo.toml of a workspace, so it is given a copy.
git archive HEAD | tar -x -C "$work"
(cd "$work" && cargo cyclonedx --quiet --format json --describe binaries --target "$target")
sed "s#path+file://$work#path+file://.#g" "$work/surprisal_bin.cdx.json" >"$package/surprisal.cdx.json"

tar -C "$work" --owner=0 --group=0 --sort=name -czf "$folder/$name.tgz" "$name"
ls -l "$folder/$name.tgz" "$package"
