#!/usr/bin/env bash
# Installs what a target needs: install.sh demo|check|test
#
# It says what it will install before it does, does nothing when nothing is missing, and where it
# may not install it ends with one sentence that says who could. Debian packages go to the system,
# the page of the browser tests gets its libraries beside it, everything else goes to .venv in this
# folder; picamera2, which a Raspberry Pi has from its system, to a folder there that only tests see.
# What the window needs is installed for the tests, and for the demo where there is a display; a
# demo that may not install it goes on without a window.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" # mosquitto and ip are there, a user's PATH may not be

die() {
  printf 'mqcam: %s\n' "$1" >&2
  exit 1
}

choose_python() { # sets PYTHON: the first that is new enough
  local name
  for name in "${MQCAM_PYTHON:-python3}" python3.13 python3.12 python3.11; do
    if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      PYTHON=$(command -v "$name")
      "$PYTHON" -c 'import sys; sys.exit(sys.maxsize < 2**32)' ||
        die "a 64-bit system is needed: the video libraries are not built for 32-bit ones."
      return
    fi
  done
  die "Python 3.11 or newer is needed, and $(python3 --version 2>/dev/null || echo none) was found: install python3.11 or newer."
}

choose_browser() { # sets BROWSER: whether there is one for tests, or can be
  BROWSER=no
  [ "$PROFILE" = test ] || return 0
  if command -v chromium >/dev/null && command -v npm >/dev/null; then
    BROWSER=yes
    return
  fi
  # Where it cannot be had, its tests are skipped and say so. Ubuntu has it as a snap only.
  case "$(cat /etc/os-release 2>/dev/null)" in *ID=ubuntu*) return ;; esac
  if [ "$(id -u)" = 0 ] || command -v sudo >/dev/null; then BROWSER=yes; fi
}

missing_packages() { # adds to PACKAGES: the Debian packages that this profile needs and lacks
  if [ ! -x .venv/bin/python ] && ! "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null; then
    if [ "$PYTHON" = "$(command -v python3)" ]; then
      PACKAGES+=(python3-venv)
    else
      PACKAGES+=("$(basename "$PYTHON")-venv")
    fi
  fi
  if [ "$PROFILE" != check ]; then
    command -v mosquitto >/dev/null || PACKAGES+=(mosquitto)
  fi
  if [ "$PROFILE" = test ]; then
    missing_of_window
    if [ ${#MISSING[@]} -gt 0 ] && ! (may_install) 2>/dev/null; then
      echo "mqcam: NOT TESTED: the window on a screen: that needs ${MISSING[*]}, which may not be installed here."
      MISSING=()
    fi
    PACKAGES+=("${MISSING[@]}")
  fi
  # Tests that build networks of their own run as root only.
  if [ "$PROFILE" = test ] && [ "$(id -u)" = 0 ]; then
    command -v ip >/dev/null || PACKAGES+=(iproute2)
    command -v nft >/dev/null || PACKAGES+=(nftables)
    command -v turnserver >/dev/null || PACKAGES+=(coturn)
  fi
  if [ "$BROWSER" = yes ]; then
    command -v chromium >/dev/null || PACKAGES+=(chromium)
    command -v npm >/dev/null || PACKAGES+=(npm)
  fi
}

missing_of_window() { # sets MISSING: the Debian packages that the window, or its test, lacks
  local known pair
  MISSING=()
  known=$(ldconfig -p 2>/dev/null || true)
  for pair in "${LIBRARIES[@]}"; do
    case "$known" in *"${pair%%=*} "*) ;; *) MISSING+=("${pair#*=}") ;; esac
  done
  if command -v dpkg >/dev/null && ! dpkg -s fonts-inter >/dev/null 2>&1; then
    MISSING+=(fonts-inter)
  fi
  [ "$PROFILE" = test ] || return 0
  for pair in "${SCREEN[@]}"; do
    command -v "${pair%%=*}" >/dev/null || MISSING+=("${pair#*=}")
  done
}

choose_window() { # the demo opens a window where there is a display, and what it needs can be had
  [ "$PROFILE" = demo ] || return 0
  [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ] || return 0
  missing_of_window
  if [ ${#MISSING[@]} -gt 0 ] && ! (may_install) 2>/dev/null; then
    echo "mqcam: the demo opens no window: that needs ${MISSING[*]}, which may not be installed here."
    return 0
  fi
  PACKAGES+=("${MISSING[@]}")
  LOCK=requirements-viewer.lock
}

may_install() { # sets AS_ROOT: the words to put before a command that installs packages
  command -v apt-get >/dev/null || die "needs ${PACKAGES[*]}, and there is no apt-get here to install them with: install them by hand."
  AS_ROOT=()
  [ "$(id -u)" = 0 ] && return
  local todo="ask whoever administers this machine to run: apt-get install ${PACKAGES[*]}"
  command -v sudo >/dev/null || die "may not install ${PACKAGES[*]}: not root, and there is no sudo; $todo"
  AS_ROOT=(sudo)
  sudo -n true 2>/dev/null && return
  if [ -t 0 ] && [ -t 2 ]; then return; fi
  die "may not install ${PACKAGES[*]}: sudo wants a password and nobody is at a terminal; $todo"
}

announce() {
  echo "mqcam: this installs, for 'make $PROFILE':"
  if [ ${#PACKAGES[@]} -gt 0 ]; then
    echo "  * Debian packages, with apt-get: ${PACKAGES[*]}"
    case " ${PACKAGES[*]} " in *" mosquitto "*)
      echo "    (its service is left disabled and stopped: mqcam starts a broker of its own)" ;;
    esac
  fi
  [ "$STAMPED" = yes ] || [ "$LOCK" != requirements-viewer.lock ] ||
    echo "  * for the window: Qt (PySide6), 250 MB in the same .venv"
  [ "$STAMPED" = yes ] || echo "  * Python packages from $LOCK, and this checkout, into ${PWD}/.venv"
  [ "$CAMERA_STAMPED" = yes ] ||
    echo "  * picamera2 and what it imports, from $CAMERA_LOCK, into ${PWD}/$CAMERA: for tests alone"
  [ "$PAGE_STAMPED" = yes ] || echo "  * npm packages from $PAGE/package-lock.json, beside it; none of them runs anything"
}

install_packages() {
  "${AS_ROOT[@]}" bash scripts/install-packages.sh "${PACKAGES[@]}" >>"$LOG" 2>&1 ||
    die "could not install ${PACKAGES[*]}: is the network up, and no other installation running? What apt-get said is in $LOG."
}

# Libraries that Qt loads, and programs that show the window to a test, with their packages.
LIBRARIES=(
  libGL.so.1=libgl1 libEGL.so.1=libegl1 libxkbcommon.so.0=libxkbcommon0
  libfontconfig.so.1=libfontconfig1 libglib-2.0.so.0=libglib2.0-0 libxcb-cursor.so.0=libxcb-cursor0
  libxcb-icccm.so.4=libxcb-icccm4 libxcb-image.so.0=libxcb-image0
  libxcb-keysyms.so.1=libxcb-keysyms1 libxcb-render-util.so.0=libxcb-render-util0
  libxcb-shape.so.0=libxcb-shape0 libxcb-xkb.so.1=libxcb-xkb1
  libxkbcommon-x11.so.0=libxkbcommon-x11-0
)
SCREEN=(
  Xvfb=xvfb xauth=xauth openbox=openbox xdotool=xdotool xwininfo=x11-utils import=imagemagick
)

PIP=(.venv/bin/python -m pip --disable-pip-version-check --no-input)

make_venv() {
  if ! .venv/bin/python -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    "$PYTHON" -m venv --clear .venv >>"$LOG" 2>&1 ||
      die "could not make .venv with $PYTHON: is the disk full? What it said is in $LOG."
  fi
  # Hashes keep out every file that is not the locked one, from whichever index it comes: an index
  # of rebuilt wheels (as Raspberry Pi OS adds) is passed over. Wheels only: nothing is compiled.
  "${PIP[@]}" install --require-hashes --only-binary :all: --retries 2 -r "$LOCK" >>"$LOG" 2>&1 ||
    die "could not install the Python packages of $LOCK: is the network up? What pip said is in $LOG."
  "${PIP[@]}" install --no-deps --no-index --no-build-isolation --editable . >>"$LOG" 2>&1 ||
    die "could not install this checkout into .venv: what pip said is in $LOG."
}

make_camera() {
  rm -rf "$CAMERA"
  # picamera2 has no wheel: it is built, without compiling, by the setuptools of $LOCK.
  "${PIP[@]}" install --require-hashes --no-deps --no-build-isolation --retries 2 \
    --only-binary :all: --no-binary picamera2 --target "$CAMERA" -r "$CAMERA_LOCK" >>"$LOG" 2>&1 ||
    die "could not install the Python packages of $CAMERA_LOCK: is the network up? What pip said is in $LOG."
}

make_page() {
  (cd "$PAGE" && npm ci --ignore-scripts --no-audit --no-fund) >>"$LOG" 2>&1 ||
    die "could not install the npm packages of $PAGE: is the network up? What npm said is in $LOG."
}

PROFILE=${1:-}
case "$PROFILE" in
  demo) LOCK=requirements.lock ;;
  check | test) LOCK=requirements-dev.lock ;;
  *) die "usage: scripts/install.sh demo|check|test" ;;
esac

mkdir -p build
LOG=build/install.log
exec 9>build/install.lock
flock 9 # two targets at once: the second waits, and finds everything done

# The stamp says for which files, and which folder, the .venv was made.
PACKAGES=()
choose_window
STAMP=".venv/.installed-$LOCK"
WANTED=$({ pwd; cat pyproject.toml requirements*.lock; } | sha256sum)
STAMPED=no
# Later ones hold what the ones before them hold.
for lock in $LOCK requirements-viewer.lock requirements-dev.lock; do
  stamp=".venv/.installed-$lock"
  if [ "$LOCK" = requirements-dev.lock ] && [ "$lock" != "$LOCK" ]; then continue; fi
  if [ -x .venv/bin/python ] && [ "$(cat "$stamp" 2>/dev/null)" = "$WANTED" ]; then STAMPED=yes; fi
done
if [ "$STAMPED" = yes ]; then PYTHON=.venv/bin/python; else choose_python; fi

choose_browser
PAGE=tests/e2e/browser
PAGE_STAMP="$PAGE/node_modules/.installed"
PAGE_STAMPED=yes
if [ "$BROWSER" = yes ]; then
  PAGE_WANTED=$(sha256sum <"$PAGE/package-lock.json")
  [ "$(cat "$PAGE_STAMP" 2>/dev/null)" = "$PAGE_WANTED" ] || PAGE_STAMPED=no
fi

CAMERA=.venv/picamera2
CAMERA_LOCK=requirements-picamera2.lock
CAMERA_STAMP="$CAMERA/.installed"
CAMERA_STAMPED=yes
if [ "$PROFILE" = test ]; then
  CAMERA_WANTED=$({ pwd; cat "$CAMERA_LOCK"; } | sha256sum)
  [ "$(cat "$CAMERA_STAMP" 2>/dev/null)" = "$CAMERA_WANTED" ] || CAMERA_STAMPED=no
fi

missing_packages
if [ "$STAMPED$PAGE_STAMPED$CAMERA_STAMPED" = yesyesyes ] && [ ${#PACKAGES[@]} -eq 0 ]; then exit 0; fi

[ ${#PACKAGES[@]} -eq 0 ] || may_install
announce
: >"$LOG"
[ ${#PACKAGES[@]} -eq 0 ] || install_packages
if [ "$STAMPED" = no ]; then
  make_venv
  echo "$WANTED" >"$STAMP"
  # A .venv that had to be made anew has lost it.
  [ "$PROFILE" != test ] || [ -e "$CAMERA_STAMP" ] || CAMERA_STAMPED=no
fi
if [ "$CAMERA_STAMPED" = no ]; then
  make_camera
  echo "$CAMERA_WANTED" >"$CAMERA_STAMP"
fi
if [ "$PAGE_STAMPED" = no ]; then
  make_page
  echo "$PAGE_WANTED" >"$PAGE_STAMP"
fi
echo "mqcam: installed."
