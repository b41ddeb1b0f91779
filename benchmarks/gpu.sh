#!/bin/sh
# GPU tests, then the explanation of UNISAL's convolutions: writes benchmarks/results/gpu-<device>-<date>.md.
#
#     sh benchmarks/gpu.sh            # on a machine with a CUDA device
#     sh benchmarks/gpu.sh --smoke    # tiny, on a CPU: shows that it runs, measures nothing
set -eu
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-$( [ -x .venv/bin/python ] && echo .venv/bin/python || echo python3 )}
case " $* " in
*" --smoke "*) ;;
*) "$PYTHON" -m pytest -m gpu tests || tests=$? ;;
esac
"$PYTHON" benchmarks/gpu.py "$@" # also where a test failed: the table says which way did
[ "${tests:-0}" -eq 0 ] || [ "$tests" -eq 5 ] # 5: no test asks for a GPU
