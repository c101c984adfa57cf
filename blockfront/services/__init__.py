"""What the commands do, without the command line: a module for each verb, and what verbs share."""
