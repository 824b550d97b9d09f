"""What was made elsewhere: logs and traffic become runs, experiments of other tools become files, labels are read."""
