"""What people type. Only here is anything printed."""
