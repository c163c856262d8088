"""The gateway's side of the recipe handshake (docs/handshake.md): how one request reaches the controller in each profile."""
