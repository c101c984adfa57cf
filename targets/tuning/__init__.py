"""MetaSchedule for single kernels, and the database of the schedules it found."""
