"""What two notebooks or scripts of the course share; see each module's own description."""
