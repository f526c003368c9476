"""Batches in Azure Container Apps: the launcher, the job as Resource Manager shows it, and what a start overrides."""
