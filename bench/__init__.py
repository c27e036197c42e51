"""How fast maild takes mail and makes cases of it, beside a sink that only listens. Run: python -m bench"""
