"""How fast this course's training is, beside the usual loops and beside what the machine can do."""
