#!/bin/sh
# Stands in for mkiso where only its end matters: does what the accession number on stdin says.
request=$(cat)
word=$(printf '%s' "$request" | sed -n 's/^{"accessions":\["\([A-Z]*\)\([0-9]*\)".*/\1 \2/p')
number=${word#* }
report() {
    printf '{"schema":1,"code":%d,"message":"The stub says %d.","discs":[],"log":"/secret/log"}\n' "$1" "$1"
}
case $word in
"CODE "*) report "$number"; exit "$number" ;;
"EXIT "*) exit "$number" ;;
"LIE "*) report 0; exit "$number" ;;
"KILLED "*) kill -9 $$ ;;
"SLOW "*)
    echo '{"event": "progress", "stage": "retrieve", "done": 3, "total": 12, "note": ""}' >&2
    echo 'Traceback: Doe^Jane' >&2
    echo '{"event": "line", "text": "Another run uses the port."}' >&2
    sleep "$number"; report 0 ;;
"DEAF "*) trap '' TERM; sleep "$number"; sleep "$number"; report 0 ;;
"MUCH "*)
    head -c "${number}000" /dev/zero | tr '\0' 'e' >&2
    printf '{"code":0,"message":"'; head -c "${number}000" /dev/zero | tr '\0' 'o'; printf '"}' ;;
*) report 0 ;;
esac
