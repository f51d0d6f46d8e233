import json
def test_one(cli, picture, gatys):
    picture("a.png"); picture("s.png")
    r = cli("gatys", "a.png", "--style", "s.png", "--device","cpu")
    assert (r.exit_code, r.stdout, r.stderr) == (0, "a_gatys_s.png\n", "loading weights ...\n")
    r = cli("replay", "a_gatys_s.png")
    assert (r.exit_code, r.stdout, r.stderr) == (0, "a_gatys_s_replay.png\n", "loading weights ...\n")
    import pathlib
    assert pathlib.Path("a_gatys_s.png").read_bytes()==pathlib.Path("a_gatys_s_replay.png").read_bytes()
    r = cli("gatys", "a.png", "--style", "s.png", "--device","cpu", "--json", "--overwrite")
    print(r.stdout)
    r = cli("gatys", "a.png", "nope.png", "--stlye", "s.png"); print(r)
    r = cli("gatys", "a.png", "aa.png", "--style", "s.png"); print(r)
    r = cli("gatys", "a.png", "--style", "s.png", "--steps", "x"); print(r)
    r = cli("gatys", "a.png", "--style", "s.png", "--style-loss", "grma"); print(r)
    r = cli("gtys", "a.png", "--style", "s.png", "--style-loss", "grma"); print(r)
    r = cli("gatys", "a.png"); print(r)
    r = cli("gatys"); print(r)
    r = cli(); print(r)
    r = cli("gatys", "--steps"); print(r)
    r = cli("gatys", "a.png", "--style", "s.png"); print(r)
    assert 0
