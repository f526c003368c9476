"""`target setup` and `vault init`: what a deployment cannot do, as scripts of requests; pure, but for `carrying`."""
