#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Checks three rules of the sources: folders include in one direction only, each library is used in one
# place only, and some functions are never called.
set -u
bad=0
complain() { # title, findings
    [ -z "$2" ] || { printf '%s:\n%s\n' "$1" "$2"; bad=1; }
}
files() { git ls-files -co --exclude-standard -- "$@" | while read -r f; do [ -f "$f" ] && echo "$f"; done; }
search() { # pattern, files...
    local pattern=$1
    shift
    [ $# -eq 0 ] || grep -nHE "$pattern" "$@"
}

mapfile -t core < <(files 'core/*.[ch]' 'core/*.cpp')
mapfile -t storage < <(files 'storage/*.[ch]')
mapfile -t api < <(files 'api/*.[ch]')
mapfile -t server < <(files 'server/*.[ch]')
all=("${core[@]}" "${storage[@]}" "${api[@]}" "${server[@]}")

complain "core looks right" "$(search '#include "(storage|api|server|tests)/' "${core[@]}")"
complain "storage looks right" "$(search '#include "(api|server|tests)/' "${storage[@]}")"
complain "api looks right" "$(search '#include "(server|tests)/' "${api[@]}")"
complain "server looks into tests" "$(search '#include "tests/' "${server[@]}")"
complain "includes are written from the root" \
    "$(search '#include "' "${all[@]}" | grep -vE '#include "(core|storage|api|server)/')"

# Within a layer, a folder may include itself and the folders before it in these lists.
orders=(
    "core common words search model train serve demo"
    "core/train method eval loop"
    "core/serve state filter query update"
    "storage env records models log exchange maintenance import"
    "api web resources"
    "server telemetry cli checkup load encode runtime cluster jobs http commands"
)
looks_back() { # layer, folders from the first to the last
    local layer=$1 later
    shift
    while [ $# -gt 1 ]; do
        later=$(printf '|%s' "${@:2}")
        mapfile -t own < <(files "$layer/$1/*.[ch]" "$layer/$1/*.cpp")
        complain "$layer/$1 looks right" "$(search "#include \"$layer/(${later:1})/" "${own[@]}")"
        shift
    done
}
for order in "${orders[@]}"; do
    # shellcheck disable=SC2086
    looks_back $order
    for folder in "${order%% *}"/*/; do
        name=$(basename "$folder")
        case " ${order#* } clients " in
        *" $name "*) ;;
        *) complain "a folder without a place in the order" "$folder" ;;
        esac
    done
done
complain "the wings train and serve do not include each other" \
    "$(search '#include "core/serve/' $(files 'core/train/*'); search '#include "core/train/' $(files 'core/serve/*'))"
complain "storage/import is for the command alone" \
    "$(search '#include "storage/import/' "${storage[@]}" | grep -v '^storage/import/')"
complain "lmdb belongs to storage" "$(search '#include <lmdb' "${core[@]}" "${api[@]}" "${server[@]}")"
complain "a write to LMDB past schema_put, schema_reserve and schema_cursor_put, which copy the key" \
    "$(search '\bmdb_(cursor_)?put\(' "${storage[@]}" | grep -vE '^storage/env/(schema|store_env)\.c|^storage/maintenance/migrate\.c')"
complain "microhttpd belongs to server/http*" \
    "$(search '#include <microhttpd' "${core[@]}" "${storage[@]}" "${api[@]}" "${server[@]}" | grep -v '^server/http/')"
complain "libsystemd belongs to server/telemetry/supervisor" \
    "$(search '#include <systemd' "${all[@]}" | grep -v '^server/telemetry/supervisor\.c')"
complain "utf8proc belongs to core/words" "$(search '#include <utf8proc' "${all[@]}" | grep -v '^core/words/')"
complain "libcurl belongs to server/encode" "$(search '#include <curl/' "${all[@]}" | grep -v '^server/encode/')"
complain "GnuTLS belongs to server/http, stair ping and storage/env/sha256" \
    "$(search '#include <gnutls' "${all[@]}" | grep -vE '^server/(http/|commands/cmd_ping)|^storage/env/sha256\.c')"
complain "clocks are read in server/telemetry/clock" \
    "$(search '\b(clock_gettime|gettimeofday)\(|[^a-z_]time\(NULL\)' "${all[@]}" | grep -v '^server/telemetry/clock\.c')"
complain "libnats belongs to server/cluster" "$(search '#include <nats' "${all[@]}" | grep -v '^server/cluster/')"
complain "jansson is not for core" "$(search '#include <jansson' "${core[@]}")"
complain "FAISS belongs to core" "$(search '#include <faiss' "${storage[@]}" "${api[@]}" "${server[@]}")"
complain "core knows no clock, environment or log" \
    "$(search '\b(time|clock_gettime|gettimeofday|getenv|printf|syslog)\(|fprintf\((stderr|stdout)' "${core[@]}" | grep -vE '^core/[a-z_/]+\.h|^[^:]+:[0-9]+: \*')"

complain "unbounded, unsafe or process-wide calls" \
    "$(search '(^|[^a-z_>.])(strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|atol|atof|rand|srand|setenv|putenv|system|popen|tmpnam|mktemp|alloca)\(' "${all[@]}" | grep -vE '^server/main.c:.*setenv\("GOMP_|^core/common/blas.c:.*setenv\("OPENBLAS_')"
complain "all allocation goes through core/common/mem (what a library made is freed beside a comment that says who allocated it)" \
    "$(search '(^|[^a-z_>.])(malloc|calloc|realloc|free|strdup|strndup|aligned_alloc|posix_memalign)\(' "${all[@]}" | grep -vE '^core/common/mem\.|free\([a-z]*\); /\* allocated by |^core/search/faiss_c\.cpp|^[^:]+:[0-9]+: *(\*|/\*)')"
complain "qsort must not see a null pointer: sort_array (core/common/sort.h)" \
    "$(search '(^|[^a-z_])qsort\(' "${all[@]}" | grep -v '^core/common/sort\.h')"
# libmicrohttpd's handler of a panic must not return. So one place outside main ends the process, after it has
# logged the reason.
complain "exit outside main" "$(search '(^|[^a-z_>.])(exit|abort)\(' "${all[@]}" | grep -vE '^server/main\.c|^server/http/http\.c:[0-9]+: *abort\(\); /\* a panic|^[^:]+:[0-9]+: *(\*|/\*)')"
# An err_code is called `code` (CONTRIBUTING.md, "Failure"). A second one in a function is named for what it is of, such
# as "closed".
complain "an err_code is called code; rc is what a library returned" \
    "$(search '\berr_code \*?(rc|ret|res|result|status|st|r)( *[=;,)])' "${all[@]}" $(files 'tests/*.[ch]'))"
complain "a test that includes a .c file" "$(search '#include "[^"]*\.c"' $(files 'tests/*.[ch]'))"

# table prints the folders in this order, each with its size and the folders that it includes.
table() {
    local order layer folder own
    printf '%-20s %5s %6s  %s\n' folder files lines includes
    for order in "${orders[@]}"; do
        layer=${order%% *}
        for folder in ${order#* }; do
            case $layer/$folder in core/train | core/serve) continue ;; esac
            mapfile -t own < <(files "$layer/$folder/*.[ch]" "$layer/$folder/*.cpp" "$layer/$folder/*.def")
            printf '%-20s %5d %6d  %s\n' "$layer/$folder" "${#own[@]}" "$(cat "${own[@]}" | wc -l)" "$(
                sed -nE 's,^#include "((core|storage|api|server)(/[a-z]+)*)/[^/]*"$,\1,p' "${own[@]}" |
                    grep -vx "$layer/$folder" | sort -u | tr '\n' ' '
            )"
        done
    done
}
[ "${1:-}" != --table ] || [ $bad -ne 0 ] || table
exit $bad
