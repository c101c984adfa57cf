"""What the commands do, without the command line: one module for each verb."""
