"""Do unlabelled images help, and whose use of them? Data sets × draws × seeds × steps × approaches."""
