"""What the rest of `helpers` stands on: mistakes, files, processes, bars. No chapter shows it."""
