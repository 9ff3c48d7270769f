# Runs inside the sandbox, before anything is known of the program: imports what most programs import,
# announces itself, reads one message (length, JSON) from standard input, becomes the program.
def _boot():
    import atexit, json, linecache, os, re, sys, threading, traceback
    def exactly(count):
        parts = []
        while count > 0:
            part = os.read(0, min(count, 1 << 20))
            if not part:
                os._exit(0)
            parts.append(part)
            count -= len(part)
        return b"".join(parts)
    compile("pass", "warm", "exec")
    traceback.TracebackException
    os.write(1, b"\x06")
    message = json.loads(exactly(int.from_bytes(exactly(4), "little")))
    os.environ.clear()
    os.environ.update(message["env"])
    os.chdir("/workspace")
    sys.argv[:] = ["main.py"]
    sys.path.insert(0, "/workspace")
    sys.stdout.reconfigure(line_buffering=True, errors="surrogateescape")
    sys.stderr.reconfigure(line_buffering=True)
    source = message["code"]
    linecache.cache["main.py"] = (len(source), None, source.splitlines(True), "main.py")
    def show(kind, error, trace):
        traceback.print_exception(kind, error, trace)
    sys.excepthook = show
    names = sys.modules["__main__"].__dict__
    names.pop("_boot", None)
    names["__file__"] = "main.py"
    code = 0
    try:
        exec(compile(source, "main.py", "exec", dont_inherit=True), names)
    except SystemExit as end:
        code = end.code
        if code is None:
            code = 0
        elif not isinstance(code, int):
            print(code, file=sys.stderr)
            code = 1
    except BaseException as error:
        trace = error.__traceback__
        error.__traceback__ = trace = trace.tb_next if trace is not None else None
        code = 130 if isinstance(error, KeyboardInterrupt) else 1
        try:
            sys.excepthook(type(error), error, trace)
        except BaseException:
            traceback.print_exc()
    # An orderly end without the slow part: threads, exit handlers, buffers.
    for last in (threading._shutdown, atexit._run_exitfuncs, lambda: sys.stdout.flush(), lambda: sys.stderr.flush()):
        try:
            last()
        except BaseException as error:
            if not isinstance(error, (SystemExit, ValueError, AttributeError)):
                code = code or 120
    os._exit(code & 0xFF)
_boot()
