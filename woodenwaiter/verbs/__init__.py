"""What operators do: each verb returns data, prints nothing, and leaves a line in the audit."""
