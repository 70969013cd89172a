"""What happens without a person: RQ jobs and the cron table. Thin: load by id, call an operation."""
