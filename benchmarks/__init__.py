"""How fast this course's training is: beside the usual loops, and beside what the machine can do.

python -m benchmarks            everything
python -m benchmarks --quick    a rougher look
"""
