#!/bin/sh
# Makes the file system of Polyfleet's image: `image/build-root.sh FOLDER`, as root.
#
# The Dockerfile and local/product_image.py both run this, so that there is one description of
# what is in the image: Debian's Python and the libraries that it needs, the dependencies of
# image/requirements.lock by hash, our own code, and nothing else: no shell, no package manager.
# It wants mmdebstrap and uv.
set -eu

root=$1
source=$(cd "$(dirname "$0")/.." && pwd)
suite=bookworm
python=python3.11
packages=$python,ca-certificates,libgcc-s1,libstdc++6,tzdata
site=$root/usr/local/lib/$python/dist-packages
umask 022

# The packages are only unpacked: without a shell in the image nothing could configure them. What
# is known of each is kept where scanners of images look for it.
record='mkdir -p "$1/var/lib/dpkg/status.d"
for archive in "$1"/var/cache/apt/archives/*.deb; do
    name=$(dpkg-deb --field "$archive" Package)
    dpkg-deb --field "$archive" > "$1/var/lib/dpkg/status.d/$name"
done'
mmdebstrap --quiet --variant=extract --include="$packages" --extract-hook="$record" \
    "$suite" "$root" ${DEBIAN_MIRROR:-}

# Nothing but Python runs in the image.
find "$root/usr/bin" "$root/usr/sbin" "$root/bin" "$root/sbin" -mindepth 1 \
    ! -name "$python" -delete
ln -s "$python" "$root/usr/bin/python3"
ln -s "$python" "$root/usr/bin/python"
find "$root/usr/share/ca-certificates" -name '*.crt' | LC_ALL=C sort | xargs cat \
    > "$root/etc/ssl/certs/ca-certificates.crt"
find "$root/usr/share/doc" ! -name copyright ! -type d -delete
for unwanted in etc/apt etc/cron.daily etc/dpkg etc/logrotate.d etc/systemd etc/fstab etc/rmt \
    etc/hostname etc/resolv.conf etc/debconf.conf etc/alternatives lib/systemd usr/libexec usr/lib/apt usr/lib/dpkg \
    usr/lib/mime usr/lib/binfmt.d usr/share/ca-certificates usr/lib/x86_64-linux-gnu/gconv \
    usr/lib/aarch64-linux-gnu/gconv "usr/lib/$python/test" "usr/lib/$python/pydoc_data" \
    "usr/lib/$python/lib2to3" "usr/lib/$python/turtle.py" var/cache var/log; do
    rm -rf "${root:?}/$unwanted"
done
find "$root/usr/share" -mindepth 1 -maxdepth 1 ! -name doc ! -name zoneinfo -exec rm -rf {} +
find "$root/var/lib" -mindepth 1 -maxdepth 1 ! -name dpkg -exec rm -rf {} +
find "$root/var/lib/dpkg" -mindepth 1 -maxdepth 1 ! -name status.d -exec rm -rf {} +

# Who runs the image brings its own devices.
rm -rf "${root:?}/dev"
mkdir -p "$root/dev" "$root/proc" "$root/sys" "$root/tmp" "$root/var/lib/polyfleet"
chmod 1777 "$root/tmp"
cp "$source/image/passwd" "$source/image/group" "$root/etc/"
printf 'PRETTY_NAME="Polyfleet"\nID=debian\nVERSION_ID="12"\nVERSION_CODENAME=%s\n' "$suite" \
    > "$root/etc/os-release"

uv pip install --quiet --no-config --target "$site" --python-version 3.11 --only-binary :all: \
    --link-mode copy --require-hashes --no-deps -r "$source/image/requirements.lock"
rm -rf "$site/bin" "$site/.lock" "$root/usr/local/bin"
find "$site" -name '*.pyi' -delete
find "$site" -depth -type d -name tests -exec rm -rf {} +

mkdir -p "$site/polyfleet" "$root/usr/local/bin"
cp "$source/src/polyfleet/__init__.py" "$source/src/polyfleet/py.typed" "$site/polyfleet/"
for part in api cli crds fleet kube operator simulator; do
    cp -R "$source/$part" "$site/polyfleet/$part"
done
cp "$source/image/polyfleet" "$root/usr/local/bin/"
chmod 755 "$root/usr/local/bin/polyfleet"

# The file system is read-only when it runs: compile now, and let no compiled file look at a time.
find "$root" -depth -type d -name __pycache__ -exec rm -rf {} +
chroot "$root" "/usr/bin/$python" -m compileall -q --invalidation-mode unchecked-hash \
    "/usr/lib/$python" "/usr/local/lib/$python/dist-packages"
