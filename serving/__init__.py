"""Endpoints over a model repository: in process (``local``), Triton (``triton``, ``client``)."""
