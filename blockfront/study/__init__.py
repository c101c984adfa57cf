"""Studies: the storage, what a study is of, who holds it, its journal, and how it is read again."""
