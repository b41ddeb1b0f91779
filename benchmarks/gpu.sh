#!/bin/sh
# GPU tests, then the explanation of UNISAL's convolutions: writes benchmarks/results/gpu-<device>-<date>.md.
#
#     sh benchmarks/gpu.sh            # on a machine with a CUDA device
#     sh benchmarks/gpu.sh --smoke    # a tiny run on a CPU, as a test without measurements
set -eu
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-$( [ -x .venv/bin/python ] && echo .venv/bin/python || echo python3 )}
case " $* " in
*" --smoke "*) ;;
*) "$PYTHON" -m pytest -m gpu tests || tests=$? ;;
esac
"$PYTHON" benchmarks/gpu.py "$@" # also after a failed test; the table reports failures
[ "${tests:-0}" -eq 0 ] || [ "$tests" -eq 5 ] # 5: no test needs a GPU
