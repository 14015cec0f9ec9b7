"""How fast this course's training is: beside the usual loops, and beside what the machine can do.

python -m benchmarks            about a quarter of an hour on two cores
python -m benchmarks --quick    a rougher look, in less than three minutes
"""
